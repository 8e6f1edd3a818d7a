import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ck, demo, keepingCc, openCk, root, runProgram } from './ck.ts'

const template = join(root, 'tests/chat/templates/markers.jinja')
const greedy = ['--temp', '0', '-n', '16']

let ck: Ck
let runFolder: string
beforeAll(async () => {
  ck = openCk()
  runFolder = join(ck.folder, 'demo')
  const { code, stderr } = await ck(['build', demo, '-o', runFolder, '--template', template])
  expect({ code, stderr }).toEqual({ code: 0, stderr: 'ck: planning\nck: writing weights\nck: compiling\n' })
})
afterAll(() => ck.remove())

const lines = [
  'What news, my lord?',
  '',
  ' And   then? <|done|> é😀',
  '/system Speak as a king.',
  'Go on.',
  '/think off',
]
const input = [...lines, 'Thou art a villain.', '/reset', 'Speak.', '/exit', 'never said', ''].join('\n')

describe('ck chat', () => {
  it('says on a pipe what the stand-alone executable says, and reads as little anew', async () => {
    const chat = await ck(['chat', runFolder, ...greedy, '--verbose'], { input })
    const model = await runProgram(join(runFolder, 'model'), ['--chat', ...greedy, '--stats'], { input })
    expect(chat.code).toBe(0)
    expect(chat.stdout.length).toBeGreaterThan(200)
    expect({ code: model.code, stdout: model.stdout }).toEqual({ code: 0, stdout: chat.stdout })
    const anew = [...chat.stderr.matchAll(/(\d+) read anew/g)].map(([, count]) => Number(count))
    expect([...model.stderr.matchAll(/(\d+) tokens read anew/g)].map(([, count]) => Number(count))).toEqual(anew)
    expect(anew.length).toBe(5)
    // The second turn holds the first with its answer; a new system text changes everything behind it.
    const [first = 0, second = 0] = anew
    expect(chat.stderr).toContain(`: ${first + 15} held, ${second} read anew; 16 drawn`)
  })

  it('says the same with one thread and with two, from a checkpoint and from a run folder', async () => {
    const one = await ck(['chat', runFolder, ...greedy, '-t', '1'], { input })
    const two = await ck(['chat', demo, '--template', template, ...greedy, '-t', '2'], { input })
    expect(two.stdout).toBe(one.stdout)
  })

  it('saves a conversation, and goes on with it', async () => {
    const path = join(ck.folder, 'saved.json')
    const whole = await ck(['chat', runFolder, ...greedy], { input: 'One.\nTwo.\nThree.\n' })
    const first = await ck(['chat', runFolder, ...greedy], { input: `One.\nTwo.\n/save ${path}\n` })
    const { format, messages } = JSON.parse(readFileSync(path, 'utf8'))
    expect({ format, roles: messages.map(({ role }: { role: string }) => role) }).toEqual({
      format: 1,
      roles: ['user', 'assistant', 'user', 'assistant'],
    })
    const second = await ck(['chat', runFolder, ...greedy, '--verbose'], { input: `/load ${path}\nThree.\n/stats\n` })
    expect(first.stdout + second.stdout).toBe(whole.stdout)
    expect(second.stderr).toMatch(/: \d{2,} held, \d{2} read anew; 16 drawn; the session holds \d+ tokens/)
    const bad = await ck(['chat', runFolder], { input: `/load ${template}\n` })
    expect(bad).toMatchObject({ code: 1, stderr: expect.stringMatching(/^ck: .*is not JSON.*\n$/) })
  })

  it('lists its commands, and takes other lines that begin with / as text', async () => {
    const { stdout, stderr } = await ck(['chat', runFolder, '--temp', '0', '-n', '3'], { input: '/help\n/nothing\n' })
    expect(stderr).toMatch(/^\/reset .*\n(\/\w+ .*\n)+$/)
    expect(stdout).not.toBe('')
  })

  it('refuses a model without template, a bad template, and thinking that it lacks, before anything is built', async () => {
    const without = await ck(['chat', demo], { input: 'x\n' })
    expect(without).toMatchObject({ code: 1, stdout: '' })
    expect(without.stderr).toBe(
      `ck: ${demo}: has no chat template, so it cannot chat; give one with --template FILE, or continue a text with ck run\n`,
    )
    const bad = join(ck.folder, 'bad.jinja')
    writeFileSync(bad, '{% for m in %}')
    for (const command of [
      ['chat', runFolder, '--template', bad],
      ['build', demo, '-o', join(ck.folder, 'never'), '--template', bad],
    ]) {
      const { code, stderr } = await ck.here(command)
      expect({ code, last: stderr.split('\n').at(-2) }).toEqual({
        code: 1,
        last: expect.stringMatching(
          /^ck: .*bad\.jinja: the chat template is no Jinja: .*accepted: a template that Jinja2 reads$/,
        ),
      })
    }
    const always = join(ck.folder, 'always.jinja')
    writeFileSync(
      always,
      "{% for m in messages %}<{{ m.role }}>{{ m.content.split('</think>')[-1] }}{% endfor %}<a><think>",
    )
    const think = await ck(['chat', runFolder, '--template', always, '--think', 'off'], { input: 'x\n' })
    expect(think.stderr).toBe("ck: thinking is 'off'; accepted: on, which is all that the chat template knows\n")
  })

  it('refuses in the executable what only the template knows', async () => {
    const { code, stderr } = await runProgram(join(runFolder, 'model'), ['--chat', '--think', 'no'], {})
    expect({ code, stderr }).toEqual({ code: 2, stderr: "model: thinking is 'no'; accepted: visible, hidden, off\n" })
    const plain = join(ck.folder, 'plain')
    await ck.here(['build', demo, '-o', plain])
    const none = await runProgram(join(plain, 'model'), ['--chat'], { input: 'x\n' })
    expect(none.stderr).toMatch(/^model: .* has no chat template, so it cannot chat; continue a text instead\n$/)
  })
})

describe('a run folder with a chat template', () => {
  it('shows its contract, in a line and whole', async () => {
    const { stdout } = await ck.here(['inspect', runFolder])
    expect(stdout).toMatch(
      /^chat +markers\.jinja, as a contract: system text first, thinking on or off \(usually on\), stops at /m,
    )
    const { contract, template: text } = JSON.parse(
      (await ck.here(['inspect', runFolder, '--chat', '--json'])).stdout,
    ).chatTemplate
    expect(contract.shapes.on.user.prefix).toEqual(['<|turn|>user\n'])
    const whole = await ck.here(['inspect', runFolder, '--chat'])
    expect(whole.stdout).toContain(text.trimEnd())
    expect(whole.stdout).toContain('"usual": "on"')
    expect((await ck.here(['inspect', demo, '--chat'])).stdout).toBe('no chat template\n')
  })

  it('says why it has none, where the template cannot be said so', async () => {
    const numbered = join(ck.folder, 'numbered.jinja')
    writeFileSync(numbered, '{% for m in messages %}{{ loop.index }}: {{ m.content }}\n{% endfor %}A:')
    const dir = join(ck.folder, 'numbered')
    await ck.here(['build', demo, '-o', dir, '--template', numbered])
    const manifest = JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8'))
    expect(manifest.chat).toEqual({ isContract: false, reason: expect.stringMatching(/conversations of 4 turns/) })
    expect((await ck.here(['inspect', dir])).stdout).toMatch(
      /^chat +numbered\.jinja, by the template only: it writes some conversations/m,
    )
    const chat = await ck(['chat', dir, ...greedy], { input: 'One.\nTwo.\n' })
    expect(chat).toMatchObject({ code: 0, stderr: '' })
    expect((await runProgram(join(dir, 'model'), ['--chat'], { input: 'x\n' })).code).toBe(1)
  })

  it('is built again by make, and chats the same', async () => {
    const elsewhere = join(ck.folder, 'elsewhere')
    cpSync(runFolder, elsewhere, { recursive: true })
    rmSync(join(elsewhere, 'model'))
    const made = await runProgram('make', ['-s', '-C', elsewhere, 'clean', 'all'], { env: keepingCc })
    expect(made.code).toBe(0)
    const said = await runProgram(join(elsewhere, 'model'), ['--chat', ...greedy], { input: 'One.\n' })
    expect(said.stdout).toBe((await ck(['chat', runFolder, ...greedy], { input: 'One.\n' })).stdout)
  })
})
