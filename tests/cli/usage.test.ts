import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { commands } from '../../src/cli/commands.ts'
import { longName, type OptionRow, options } from '../../src/cli/options.ts'
import { type Ck, ckHere, demo, openCk } from './ck.ts'

let ck: Ck
beforeAll(() => {
  ck = openCk()
})
afterAll(() => ck.remove())

describe('help', () => {
  it('names every command, and without arguments it is usage', async () => {
    const { code, stdout, stderr } = await ck(['--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const { name } of commands) expect(stdout).toContain(`\n  ${name.split(' ')[0]} `)
    const bare = await ck([])
    expect({ code: bare.code, stdout: bare.stdout }).toEqual({ code: 2, stdout: '' })
    expect(bare.stderr).toContain('Usage: ck ')
  })

  it('of every command lists its options and gives an example', async () => {
    const texts = await Promise.all(commands.map(({ name }) => ckHere([...name.split(' '), '--help'])))
    texts.forEach(({ code, stdout }, i) => {
      const command = commands[i]!
      expect(code).toBe(0)
      for (const name of command.options) expect(stdout).toContain(longName(name))
      expect(stdout).toMatch(/\nExamples?:\n {2}ck /)
    })
  })

  it('says the version of the package', async () => {
    expect(await ck(['--version'])).toMatchObject({ code: 0, stdout: `${packageJson.version}\n` })
  })
})

describe('the option table', () => {
  it('has no option that no command takes', () => {
    const taken = new Set<string>(commands.flatMap((command) => command.options))
    expect(Object.keys(options).filter((name) => !taken.has(name))).toEqual([])
  })

  it('has one option per letter in a command, and a check where there is a value', () => {
    const rows: { readonly [name: string]: OptionRow } = options
    for (const command of commands) {
      const letters = command.options.flatMap((name) => rows[name]!.letter ?? [])
      expect(new Set(letters).size).toBe(letters.length)
    }
    for (const row of Object.values(rows)) expect(row.check === undefined).toBe(row.value === undefined)
  })
})

describe('wrong usage is refused with code 2 and one sentence', () => {
  it.each([
    [['rum'], /^ck: unknown command 'rum' \(did you mean run\?\); --help lists what is accepted\n$/],
    [['help', 'rum'], /^ck: there is no such command; .*\n$/],
    [['run'], /^ck: missing required argument 'model'; .*\n$/],
    [['run', demo, '--tmp', '0'], /^ck: unknown option '--tmp' \(did you mean --temp\?\); .*\n$/],
    [['run', demo, '-n'], /^ck: option '-n, --tokens <count>' argument missing; .*\n$/],
    [['run', demo, '-n', '-5'], /^ck: --tokens is '-5'; accepted: a whole number from 0 to 2147483647\n$/],
    [['run', demo, '--temp', 'hot'], /^ck: --temp is 'hot'; accepted: a number of at least 0\n$/],
    [['run', demo, '--top-p', '1.5'], /^ck: --top-p is '1.5'; accepted: a number from 0 to 1\n$/],
    [
      ['run', demo, '--seed', '18446744073709551616'],
      /^ck: --seed is '18446744073709551616'; accepted: .*2\^64 - 1\n$/,
    ],
    [['run', demo, '--threads', '65'], /^ck: --threads is '65'; accepted: a whole number from 1 to 64\n$/],
    [['run', demo, 'extra'], /^ck: too many arguments for 'run'. .*\n$/],
    [['build', demo], /^ck: required option '-o, --out <path>' not specified; .*\n$/],
    [['build', demo, '-o', 'x', '--target', 'avx9000'], /^ck: target 'avx9000' is unknown; accepted: native, .*\n$/],
    [['build', demo, '-o', 'x', '--cache', 'f8'], /^ck: --cache is 'f8'; accepted: f32, f16, q8_0\n$/],
    [['inspect', demo, '--context', '1000000'], /^ck: --context is '1000000'; accepted: 1 to 1024, .*\n$/],
    [['tokenize', demo], /^ck: --text is 'missing'; accepted: one of --text and --file\n$/],
    [['logits', demo, '-o', 'x'], /^ck: --ids is 'missing'; accepted: one of --ids and --ids-file\n$/],
    [['logits', demo, '-o', 'x', '--ids', '1,,2'], /^ck: --ids is '1,,2'; accepted: whole numbers .*\n$/],
    [['logits', demo, '-o', 'x', '--ids', '1', '--mode', 'fast'], /^ck: --mode is 'fast'; accepted: prefill, .*\n$/],
  ])('%j', async (parameters, sentence) => {
    const { code, stdout, stderr } = await ckHere(parameters)
    expect(stderr).toMatch(sentence)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })
})

describe('what cannot be done is refused with code 1 and one sentence', () => {
  it.each([
    [
      ['run', 'nowhere.gguf'],
      /^ck: nowhere.gguf: cannot be opened \(ENOENT\); give the path of an existing file or folder\n$/,
    ],
    [['inspect', 'package.json'], /^ck: package.json: begins with the bytes .*; a GGUF file, .*\n$/],
    [['inspect', 'src'], /^ck: src: begins with a folder without config.json; .*\n$/],
    [
      ['logits', demo, '-o', 'x', '--ids', '2048', '--mode', 'interpret'],
      /^ck: token id 2048 at position 0 is outside .*\n$/,
    ],
    [
      ['tokenize', demo, '--file', 'models/demo.gguf'],
      /^ck: models\/demo.gguf: the file is no UTF-8 text; accepted: UTF-8\n$/,
    ],
  ])('%j', async (parameters, sentence) => {
    const { code, stdout, stderr } = await ckHere(parameters)
    expect(stderr).toMatch(sentence)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  })

  it('names a place that cannot be written', async () => {
    const sentence = /\nck: .*: cannot be written \(ENOTDIR\); nothing was left behind\n$/
    const [build, cache, tokenizer] = await Promise.all([
      ck(['build', demo, '-o', '/dev/null/run']),
      ck(['run', demo], { env: { CK_CACHE: '/dev/null' } }),
      ck(['tokenize', demo, '--text', 'a'], { env: { CK_CACHE: '/dev/null' } }),
    ])
    for (const { code, stderr } of [build!, cache!, tokenizer!]) {
      expect(`\n${stderr}`).toMatch(sentence)
      expect(code).toBe(1)
    }
  })

  it('doctor tells what is there without a compiler, and that one is missing', async () => {
    const { code, stdout } = await ck(['doctor', '--json'], { env: { PATH: ck.folder, CC: '' } })
    const diagnosis = JSON.parse(stdout)
    expect(diagnosis).toMatchObject({ compiler: { status: 'missing' }, measured: { status: 'absent' } })
    expect(diagnosis.targets).toContain(diagnosis.target.name)
    expect(code).toBe(1)
  })

  it('without a compiler it says how to get one, and leaves nothing', async () => {
    const { code, stderr } = await ck(['run', demo], { env: { PATH: ck.folder, CC: '' } })
    expect(stderr).toMatch(/ck: no C compiler found \(tried cc, .*npm i @zigc\/cli.*\n$/)
    expect(code).toBe(1)
  })
})
