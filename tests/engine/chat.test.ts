import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { printChatSource } from '../../src/chat/printChatSource.ts'
import { load } from '../../src/run/session.ts'
import { artifact, scriptOf, tables, template } from './chatModel.ts'
import { mainParts, scratchFolder, source, writeWeights } from './fixture.ts'

const folder = scratchFolder()
const program = join(folder.path, 'model')
const slow = join(folder.path, 'slow')

beforeAll(() => {
  const contract = join(folder.path, 'chat.c')
  writeFileSync(contract, printChatSource(artifact.contract!))
  const flags = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all']
  const others = [...mainParts, contract]
  folder.build(program, { program: source('main.c'), others, flags, defines: ['FIXTURE_CHAT'] })
  folder.build(slow, { program: source('main.c'), others, defines: ['FIXTURE_CHAT', 'FIXTURE_DELAY_MS=30'] })
  folder.build(join(folder.path, 'libmodel.so'))
})
afterAll(folder.remove)

const weights = (name: string, said: Readonly<Record<number, readonly string[]>>) =>
  writeWeights(join(folder.path, name), { script: scriptOf(said), tables })

function chat(path: string, lines: readonly string[], ...args: readonly string[]) {
  const options = ['--weights', path, '--chat', '--temp', '0', ...args]
  const { status, stdout, stderr } = spawnSync(program, options, { encoding: 'utf8', input: `${lines.join('\n')}\n` })
  return { status, stdout, stderr }
}

describe('the stand-alone executable', () => {
  it('answers each line, and reads only what is new', () => {
    const path = weights('plain.bump', { 4: [' Hello', '!', '<e>'], 12: ['!', '<e>'] })
    expect(chat(path, ['Hi', 'By'], '--stats')).toEqual({
      status: 0,
      stdout: ' Hello!\n!\n',
      stderr: '5 tokens read anew, 7 held\n6 tokens read anew, 14 held\n',
    })
  })

  it('shows, hides and suppresses thinking', () => {
    const said = { 4: ['<think>', 'h', 'm', '</think>', '\n', '!', '<e>'], 11: ['é', '<e>'] }
    const path = weights('thinking.bump', said)
    expect(chat(path, ['Hi', 'By'], '--stats')).toMatchObject({
      stdout: '<think>hm</think>\n!\né\n',
      stderr: '5 tokens read anew, 11 held\n7 tokens read anew, 13 held\n',
    })
    expect(chat(path, ['Hi'], '--think', 'hidden').stdout).toBe('!\n')
    expect(chat(weights('off.bump', { 6: ['!', '<e>'] }), ['Hi'], '--think', 'off').stdout).toBe('!\n')
  })

  it('knows commands, and ends at /exit', () => {
    const path = weights('commands.bump', { 3: ['!', '<e>'], 8: ['é', '<e>'] })
    const { status, stdout } = chat(path, ['x', '/reset', '/system Be. ', 'x', '/system', '/reset', 'x', '/exit', 'x'])
    expect({ status, stdout }).toEqual({ status: 0, stdout: '!\né\n!\n' })
    expect(chat(path, ['/help']).stderr).toMatch(/^\/reset /)
  })

  it('says the same as a conversation in TypeScript', async () => {
    const dir = join(folder.path, 'run')
    mkdirSync(dir)
    copyFileSync(join(folder.path, 'libmodel.so'), join(dir, 'libmodel.so'))
    // No script: what is said follows from every id that is held.
    writeWeights(join(dir, 'weights.bump'), { tables })
    writeFileSync(join(dir, 'manifest.json'), '{}')
    const lines = ['a', ' \u00a0é<e> ', 'b', 'c']
    const { stdout } = chat(join(dir, 'weights.bump'), lines, '-n', '6', '--system', ' one ')
    const model = await load(dir)
    const conversation = model.chat({ template, system: ' one ', sampling: { temperature: 0, tokens: 6 } })
    let said = ''
    for (const line of lines) {
      for await (const { text } of conversation.send(line)) said += text
      said += '\n'
    }
    await model.close()
    expect(stdout).toBe(said)
  })

  it('ends an answer at Ctrl-C, and goes on with the next line', async () => {
    const long = Array.from({ length: 40 }, () => '!')
    const path = weights('long.bump', { 3: long })
    const child = spawn(slow, ['--weights', path, '--chat', '--temp', '0'], { stdio: ['pipe', 'pipe', 'pipe'] })
    let stdout = ''
    const ended = new Promise((resolve) => child.once('close', resolve))
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const isFirst = stdout === ''
      stdout += text
      if (isFirst) child.kill('SIGINT')
      else if (text.includes('\n')) child.stdin.end('/exit\n')
    })
    child.stdin.write('x\n')
    expect(await ended).toBe(0)
    expect(stdout).toMatch(/^!{1,39}\n$/)
  })

  it('refuses in one sentence', () => {
    const path = weights('refusals.bump', {})
    const refused = (lines: readonly string[], ...args: readonly string[]) => chat(path, lines, ...args)
    expect(refused(['x'.repeat(80)])).toEqual({
      status: 1,
      stdout: '',
      stderr:
        'model: a conversation of 83 tokens does not fit the context; accepted: at most 64 (begin anew, or build with a ' +
        'larger --context)\n',
    })
    expect(refused([], '--think', 'loud')).toMatchObject({
      status: 2,
      stderr: "model: thinking is 'loud'; accepted: visible, hidden, off\n",
    })
    expect(refused([], '-p', 'x')).toMatchObject({ status: 2 })
  })
})
