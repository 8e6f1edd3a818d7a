import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eos, firstPiece, mainParts, scratchFolder, source, writeWeights } from './fixture.ts'

const folder = scratchFolder()
const model = join(folder.path, 'model')
const slow = join(folder.path, 'slow')

beforeAll(() => {
  const flags = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all']
  folder.build(model, { program: source('main.c'), others: mainParts, flags })
  folder.build(slow, { program: source('main.c'), others: mainParts, defines: ['FIXTURE_DELAY_MS=30'] })
  const script = [firstPiece, firstPiece + 1, ...Buffer.from('é!'), eos]
  writeWeights(join(folder.path, 'weights.bump'), { script, pieces: [' Hello', ' world'] })
})
afterAll(folder.remove)

function run(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(model, args, { encoding: 'utf8', cwd: '/' })
  return { status, stdout, stderr }
}

describe('the stand-alone executable', () => {
  it('finds its weights beside itself and begins by itself where there is no prompt', () => {
    expect(run('--temp', '0')).toEqual({ status: 0, stdout: 'Hello worldé!\n', stderr: '' })
  })

  it('continues a prompt given in any of four ways, after the prompt itself with --echo', () => {
    // The model speaks by position: BOS and one byte lead to the third entry of its script.
    for (const prompt of [['x'], ['-p', 'x'], ['--prompt=x'], ['--', 'x'], ['--ids', '256,120']]) {
      expect(run('--temp=0', ...prompt)).toEqual({ status: 0, stdout: ' worldé!\n', stderr: '' })
    }
    expect(run('--temp=0', '--echo', 'x').stdout).toBe('x worldé!\n')
    expect(run('--temp=0', '--no-special', 'x').stdout).toBe(' Hello worldé!\n')
    const file = join(folder.path, 'prompt.txt')
    writeFileSync(file, 'x')
    expect(run('--temp=0', '-f', file).stdout).toBe(' worldé!\n')
  })

  it('stops after -n tokens and before a --stop text', () => {
    expect(run('--temp=0', '-n', '1').stdout).toBe('Hello\n')
    expect(run('--temp=0', '--stop', 'xx', '--stop', 'wor').stdout).toBe('Hello \n')
  })

  it('says the same for the same seed and any number of threads', () => {
    const said = (threads: string) =>
      run('--seed', '5', '--temp', '3', '--top-k', '0', '-n', '30', '--ignore-eos', '--threads', threads, 'abc').stdout
    expect(said('2')).toBe(said('1'))
    expect(said('8')).toBe(said('1'))
  })

  it('speaks in ids where the model has no tokenizer', () => {
    const weights = writeWeights(join(folder.path, 'mute.bump'), { script: [5, 6, 7], pieces: null })
    expect(run('--weights', weights, '--ids', '1', '-n', '3', '--temp', '0').stdout).toBe('5 6 7\n')
    expect(run('--weights', weights, 'text')).toEqual({
      status: 1,
      stdout: '',
      stderr: 'model: fixture has no tokenizer; give token ids instead of text\n',
    })
  })

  it('tells what it is, how fast it was, and whether its weights are whole', () => {
    expect(run('--help').stdout).toContain('usage: model [options] [prompt]')
    expect(run('--version').stdout).toBe('fixture (test), engine ABI 3\n')
    expect(run('--info').stdout).toContain('vocabulary      300\n')
    expect(run('--verify')).toEqual({ status: 0, stdout: 'the weights file agrees with its checksums\n', stderr: '' })
    const stats = run('--temp=0', '--stats')
    expect(stats.stderr).toMatch(/^prompt: 1 tokens in [\d.]+ s .*\ntext: 5 tokens in [\d.]+ s .*\n$/)
    const bytes = readFileSync(join(folder.path, 'weights.bump'))
    bytes[5000]! ^= 1
    writeFileSync(join(folder.path, 'damaged.bump'), bytes)
    const damaged = run('--verify', '--weights', join(folder.path, 'damaged.bump'))
    expect(damaged.status).toBe(1)
    expect(damaged.stderr).toMatch(/^model: .*the checksum of the weights.*damaged\n$/)
  })

  it('begins with the saved tokens that the prompt begins with, and says the same', () => {
    const cache = join(folder.path, 'tokens')
    const options = ['--temp=0', '--ignore-eos', '-n', '20', '--stats', '--prompt-cache', cache]
    const prompt = 'a long prompt that is'
    const told = (stderr: string) => stderr.split('\n').filter((line) => line.startsWith('prompt'))
    const text = run('--temp=0', '--ignore-eos', '-n', '20', `${prompt} read`).stdout
    expect(run(...options, prompt)).toMatchObject({ status: 1, stderr: expect.stringContaining('cannot be opened') })
    const first = run(...options, '--save-prompt-cache', `${prompt} read`)
    expect({ status: first.status, stdout: first.stdout }).toEqual({ status: 0, stdout: text })
    const second = run(...options, `${prompt} read`)
    expect(second.stdout).toBe(text)
    expect(told(second.stderr)[0]).toBe('prompt cache: 26 of 27 tokens')
    expect(told(second.stderr)[1]).toMatch(/^prompt: 1 tokens/)
    const other = run(...options, `${prompt} written`)
    expect(told(other.stderr)[0]).toBe('prompt cache: 23 of 30 tokens')
    expect(other.stdout).toBe(run('--temp=0', '--ignore-eos', '-n', '20', `${prompt} written`).stdout)
    writeFileSync(cache, readFileSync(cache).subarray(0, 200))
    expect(run(...options, prompt)).toEqual({
      status: 1,
      stdout: '',
      stderr: `model: ${cache}: the file is damaged or cut off; save it again\n`,
    })
  })

  it('ends in a full context, or shifts it where that is asked for', () => {
    const ids = Array.from({ length: 60 }, (_, i) => i).join()
    const count = (...args: string[]) => {
      const { stderr } = run('--temp=0', '--ignore-eos', '--stats', '-n', '90', '--ids', ids, ...args)
      return Number(/text: (\d+) tokens/.exec(stderr)?.[1]) + 1
    }
    expect(count()).toBe(5)
    expect(count('--overflow', 'refuse')).toBe(5)
    expect(count('--overflow', 'shift', '--keep', '3')).toBe(90)
  })

  const usage: readonly [args: readonly string[], says: string][] = [
    [['--colour'], "model: option '--colour' is unknown; --help lists what is accepted\n"],
    [['-x'], "model: option '-x' is unknown; --help lists what is accepted\n"],
    [['a', 'b'], "model: 'b' is a second prompt; accepted: one, in quotes\n"],
    [
      ['-p', 'a', '--ids', '1'],
      'model: more than one prompt; accepted: one of --prompt, --file, --ids and the prompt itself\n',
    ],
    [['-n'], 'model: --tokens needs a value; --help lists what is accepted\n'],
    [['-n', '-1'], "model: --tokens is '-1'; accepted: a whole number from 0 to 2147483647\n"],
    [['--threads', '65'], "model: --threads is '65'; accepted: a whole number from 1 to 64\n"],
    [['--temp', 'hot'], "model: --temp is 'hot'; accepted: a number\n"],
    [['--seed', '-3'], "model: --seed is '-3'; accepted: a whole number from 0 to 18446744073709551615\n"],
    [['--overflow', 'wrap'], "model: --overflow is 'wrap'; accepted: refuse, shift\n"],
    [['--save-prompt-cache'], 'model: --save-prompt-cache is given alone; accepted: with --prompt-cache\n'],
    [['--echo=1'], 'model: --echo takes no value\n'],
    [['--ids', '1,x'], "model: --ids at 'x': accepted are whole numbers with commas between them\n"],
  ]
  for (const [args, stderr] of usage) {
    it(`refuses ${args.join(' ')} as wrong usage`, () => {
      expect(run(...args)).toEqual({ status: 2, stdout: '', stderr })
    })
  }

  it('fails in one sentence', () => {
    for (const args of [
      ['--weights', '/nothing'],
      ['--ids', '300'],
      ['-f', '/nothing'],
      ['--top-p', '2'],
      ['a'.repeat(70)],
    ]) {
      const { status, stdout, stderr } = run(...args)
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
      expect(stderr).toMatch(/^model: [^\n]+\n$/)
    }
  })

  it.skipIf(!existsSync('/dev/full'))('fails where its output cannot be written (needs /dev/full)', () => {
    const { status, stderr } = spawnSync('sh', ['-c', `${model} --temp 0 > /dev/full`], { encoding: 'utf8' })
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'model: the text cannot be written (No space left on device)\n',
    })
  })

  it('ends its piece, its line and itself on Ctrl-C', async () => {
    const child = spawn(slow, ['--ignore-eos', '--seed', '1', 'ab'])
    let text = ''
    child.stdout.once('data', () => child.kill('SIGINT'))
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect(code).toBe(130)
    expect(text.endsWith('\n')).toBe(true)
  })

  it('ends on Ctrl-C while it still reads the prompt', async () => {
    const child = spawn(slow, ['a'.repeat(60)])
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    setTimeout(() => child.kill('SIGINT'), 600)
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(130)
    expect(text).toBe('\n')
  })
})
