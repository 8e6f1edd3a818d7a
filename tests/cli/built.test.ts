import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSafetensors } from '../../src/formats/openSafetensors.ts'
import { type Ck, data, demo, hasData, keepingCc, openCk, root, runProgram, stories } from './ck.ts'

let ck: Ck
let runFolder: string
beforeAll(async () => {
  ck = openCk()
  runFolder = join(ck.folder, 'demo')
  const { code, stderr } = await ck(['build', demo, '-o', runFolder])
  expect(stderr).toBe('ck: planning\nck: writing weights\nck: compiling\n')
  expect(code).toBe(0)
})
afterAll(() => ck.remove())

const greedy = ['--temp', '0', '-n', '40', '-p', 'First Citizen:']

/** The programs that make needs, without Node, in a folder of their own. */
function toolFolder(): string {
  const folder = join(ck.folder, 'tools')
  mkdirSync(folder)
  const path = (process.env.PATH ?? '').split(':')
  for (const name of ['make', 'cc', 'gcc', 'as', 'ld', 'sh', 'uname', 'rm', 'mkdir', 'clang']) {
    const found = path.map((dir) => join(dir, name)).find((candidate) => existsSync(candidate))
    if (found) symlinkSync(found, join(folder, name))
  }
  return folder
}

function readLogits(path: string): { shape: readonly number[]; values: Float32Array } {
  const file = openSafetensors(path)
  try {
    const tensor = file.tensors.get('logits')!
    return { shape: tensor.shape, values: new Float32Array(file.read(tensor).buffer) }
  } finally {
    file.close()
  }
}

describe('ck run', () => {
  it.skipIf(!hasData)('writes the published greedy text of stories260K (needs ../shared/data)', async () => {
    const { code, stdout } = await ck(['run', stories, '--temp', '0', '-n', '200'])
    expect(stdout.trimEnd()).toBe(readFileSync(join(data, 'stories260K-greedy-200.txt'), 'utf8').trimEnd())
    expect(code).toBe(0)
    const second = await ck(['run', stories, '--temp', '0', '-n', '1', '--stats'])
    const measured = /start to first token: ([\d.]+) s/.exec(second.stderr)?.[1]
    console.log(`second start of stories260K: ${measured} s to the first token, ${second.seconds.toFixed(3)} s in all`)
    expect(second.stderr).not.toContain('compiling')
  })

  it('draws the ids that llama.cpp and a float64 run draw from the demo model', async () => {
    const golden = JSON.parse(readFileSync(join(root, 'tests/parity/goldens/demo-float64.json'), 'utf8'))
    const { stdout } = await ck(['run', runFolder, '--temp', '0', '-n', '64', '--json', '--ids', golden.prompt.join()])
    expect(JSON.parse(stdout).ids).toEqual(golden.greedy)
  })

  it('gives the same text from a checkpoint and from its run folder, and JSON for programs', async () => {
    const [first, second] = await Promise.all([ck(['run', demo, ...greedy]), ck(['run', demo, ...greedy])])
    expect(first.code).toBe(0)
    expect(first.stdout.length).toBeGreaterThan(60)
    expect(second.stdout).toBe(first.stdout)
    expect(readdirSync(join(ck.cache, 'models')).filter((name) => name.includes('building'))).toEqual([])
    expect((await ck(['run', runFolder, ...greedy, '--echo'])).stdout).toBe(`First Citizen:${first.stdout}`)
    const { stdout, stderr } = await ck(['run', runFolder, ...greedy, '--json'])
    const report = JSON.parse(stdout)
    expect(stderr).toBe('')
    expect(`${report.text}\n`).toBe(first.stdout)
    expect(report).toMatchObject({ finish: 'length', promptTokens: 4, tokens: 40 })
    expect(report.ids.length).toBe(40)
  })

  it('takes ids, stop texts and seeds', async () => {
    const { ids } = JSON.parse((await ck(['tokenize', runFolder, '--text', 'First Citizen:', '--json'])).stdout)
    const text = (await ck(['run', runFolder, ...greedy])).stdout
    // The demo model puts BOS in front of a text.
    const withIds = await ck(['run', runFolder, '--temp', '0', '-n', '40', '--ids', [0, ...ids].join()])
    expect(withIds.stdout).toBe(text)
    const stopped = await ck(['run', runFolder, ...greedy, '--stop', 'zzz', '--stop', text.slice(10, 14)])
    expect(stopped.stdout).toBe(`${text.slice(0, text.indexOf(text.slice(10, 14)))}\n`)
    const drawn = await Promise.all(['1', '1', '2'].map((seed) => ck(['run', runFolder, '-n', '20', '--seed', seed])))
    expect(drawn[1]!.stdout).toBe(drawn[0]!.stdout)
    expect(drawn[2]!.stdout).not.toBe(drawn[0]!.stdout)
  })

  it('refuses what a run folder cannot follow, two prompts, and ids outside the vocabulary', async () => {
    const context = await ck(['run', runFolder, '--context', '64'])
    expect(context).toMatchObject({ code: 2 })
    expect(context.stderr).toMatch(/^ck: --context is '64'; accepted: with a checkpoint only; .*\n$/)
    const two = await ck(['run', runFolder, '-p', 'a', '--ids', '1'])
    expect(two.stderr).toMatch(/^ck: --ids is 'given'; accepted: one prompt; --prompt is there too\n$/)
    const outside = await ck(['run', runFolder, '--ids', '1,2048'])
    expect(outside).toMatchObject({ code: 1 })
    expect(outside.stderr).toMatch(/^ck: token id 2048 at position 1 is outside the vocabulary; .*\n$/)
    const long = join(ck.folder, 'long.json')
    writeFileSync(long, JSON.stringify(Array.from({ length: 1025 }, () => 1)))
    const beyond = await ck(['run', runFolder, '--ids-file', long])
    expect(beyond.stderr).toMatch(/^ck: 1025 tokens do not fit the context; accepted: at most 1024 .*\n$/)
  })

  it('makes a damaged build of the cache again', async () => {
    const models = join(ck.cache, 'models')
    for (const name of readdirSync(models)) writeFileSync(join(models, name, 'weights.bump'), 'text')
    const { code, stderr } = await ck(['run', demo, '-n', '1'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'ck: planning\nck: writing weights\nck: compiling\n' })
  })

  it('ends without a word where nobody reads on', async () => {
    const main = join(root, 'dist/ck/main.js')
    const script = `"${process.execPath}" "${main}" run "${runFolder}" -n 0 --ignore-eos --seed 1 | head -c 5; echo "\${PIPESTATUS[0]}"`
    const { stdout, stderr } = await runProgram('bash', ['-c', script], {})
    expect(stderr).toBe('')
    expect(stdout.slice(5)).toBe('0\n')
  })

  it('ends with code 130 where Ctrl-C stops it, and keeps what it has written', async () => {
    const { code, stderr } = await ck(['run', runFolder, '-n', '0', '--ignore-eos', '--stats', '--seed', '1'], {
      onStdout: () => 'SIGINT',
    })
    expect(code).toBe(130)
    expect(stderr).toContain('start to first token')
    expect(stderr).not.toContain('error')
  })
})

describe('ck build', () => {
  it('leaves a folder that make builds again without Node, and whose program writes the same text', async () => {
    const copy = join(ck.folder, 'copy')
    cpSync(runFolder, copy, { recursive: true })
    for (const name of ['libmodel.so', 'model']) rmSync(join(copy, name))
    const env = { ...keepingCc, PATH: toolFolder() }
    const made = await runProgram('/bin/sh', ['-c', 'command -v node || exec make -j2'], { cwd: copy, env })
    expect(made.code, made.stderr).toBe(0)
    const alone = await runProgram(join(copy, 'model'), greedy, { env })
    expect(alone.stdout).toBe((await ck(['run', runFolder, ...greedy])).stdout)
  })

  it('replaces a run folder, and nothing else', async () => {
    const again = await ck(['build', demo, '-o', runFolder, '--json'])
    const report = JSON.parse(again.stdout)
    expect(again.stderr).toBe('')
    expect(report).toMatchObject({ dir: runFolder, context: 1024 })
    expect(report.files['weights.bump']).toBeGreaterThan(report.weightsBytes)
    const other = join(ck.folder, 'other')
    mkdirSync(other)
    writeFileSync(join(other, 'letter.txt'), 'dear')
    const refused = await ck(['build', demo, '-o', other])
    expect(refused.code).toBe(1)
    expect(readdirSync(other)).toEqual(['letter.txt'])
  })

  it('leaves nothing behind where Ctrl-C stops it', async () => {
    const place = join(ck.folder, 'interrupted')
    mkdirSync(place)
    const cache = join(place, 'cache')
    const { code, stderr } = await ck(['build', demo, '-o', join(place, 'run')], {
      env: { CK_CACHE: cache },
      onStderr: (text) => (text.includes('compiling') ? 'SIGINT' : undefined),
    })
    expect(stderr).toMatch(/: stopped on request; nothing was left behind\n$/)
    expect(code).toBe(130)
    expect(readdirSync(place).filter((name) => name !== 'cache')).toEqual([])
    const left = existsSync(cache) ? readdirSync(cache, { recursive: true, encoding: 'utf8' }) : []
    expect(left.filter((name) => /partial|building/.test(name))).toEqual([])
  })

  it('says which compiler failed and leaves nothing', async () => {
    const place = join(ck.folder, 'broken')
    const { code, stderr } = await ck(['build', demo, '-o', place, '--cc', 'false'])
    expect(stderr).toContain('ck: the C compiler failed: false ')
    expect(code).toBe(1)
    expect(readdirSync(ck.folder).filter((name) => name.startsWith('broken'))).toEqual([])
  })
})

describe('ck logits', () => {
  it('gives equal bits in prefill and decode with any threads, and in strict mode what the interpreter gives', async () => {
    const list = ['--ids', '0,268,1217,12,506,343,307']
    const out = (name: string) => join(ck.folder, `${name}.safetensors`)
    const calls: Readonly<Record<string, readonly string[]>> = {
      prefill: [runFolder, '--mode', 'prefill'],
      decode: [runFolder, '--mode', 'decode', '--threads', '3'],
      interpret: [demo, '--mode', 'interpret'],
      strict: [demo, '--strict'],
    }
    for (const [name, parameters] of Object.entries(calls)) {
      const { code, stderr } = await ck(['logits', ...parameters, ...list, '-o', out(name)])
      expect(code, stderr).toBe(0)
    }
    const [prefill, decode, interpret, strict] = Object.keys(calls).map((name) => readLogits(out(name)))
    expect(prefill!.shape).toEqual([7, 2048])
    expect(decode).toEqual(prefill)
    const worst = (other: Float32Array) => Math.max(...interpret!.values.map((value, i) => Math.abs(value - other[i]!)))
    expect(worst(strict!.values)).toBeLessThan(1e-4)
    expect(worst(prefill!.values)).toBeLessThan(0.5)
  })

  it('refuses the interpreter for a run folder, and a list of ids that is none', async () => {
    const out = join(ck.folder, 'refused.safetensors')
    const interpret = await ck(['logits', runFolder, '--ids', '1', '-o', out, '--mode', 'interpret'])
    expect(interpret.stderr).toMatch(/^ck: --mode is 'interpret'; accepted: prefill or decode for a run folder; .*\n$/)
    const letters = join(ck.folder, 'letters.json')
    writeFileSync(letters, '[1, "two"]')
    const bad = await ck(['logits', runFolder, '--ids-file', letters, '-o', out])
    expect(bad).toMatchObject({ code: 1 })
    expect(bad.stderr).toMatch(/: number 2 is '"two"'; accepted: token ids as a JSON array, .*\n$/)
    expect(existsSync(out)).toBe(false)
  })
})

describe('ck parity', () => {
  it('finds no divergence in the demo model', async () => {
    const { code, stdout } = await ck(['parity', demo, '--ids', '0,268,1217', '--json'])
    const report = JSON.parse(stdout)
    expect(report.firstDivergence).toBeUndefined()
    expect(report).toMatchObject({ tokens: 3 })
    expect(report.ops.length).toBeGreaterThan(50)
    expect(code).toBe(0)
    expect(readdirSync(ck.cache).filter((name) => name.startsWith('parity'))).toEqual([])
  })
})

describe('ck inspect', () => {
  it('shows of a run folder what it shows of its checkpoint', async () => {
    for (const section of ['--graph', '--memory', '--kernels']) {
      const [folder, checkpoint] = await Promise.all([
        ck(['inspect', runFolder, section]),
        ck(['inspect', demo, section]),
      ])
      expect(folder.stdout).toBe(checkpoint.stdout)
      expect(folder.stdout.length).toBeGreaterThan(1000)
    }
    const { stdout } = await ck(['inspect', runFolder, '--json', '--tensors'])
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({ source: 'run folder', architecture: 'qwen3', parameters: 3672832, context: 1024 })
    expect(report.tensors.length).toBe(34)
  })

  it('refuses a damaged run folder', async () => {
    const copy = join(ck.folder, 'damaged')
    mkdirSync(copy)
    writeFileSync(join(copy, 'manifest.json'), '{"format": 1}')
    const { code, stderr } = await ck(['inspect', copy])
    expect(stderr).toMatch(/: manifest.json has no string 'name'; accepted: a folder that .*\n$/)
    expect(code).toBe(1)
  })
})
