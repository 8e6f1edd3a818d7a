import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ckHere, openCk, root } from './ck.ts'

const ck = openCk()
afterAll(() => ck.remove())

const goldens = join(root, 'tests/parity/goldens')
const out = join(ck.folder, 'gradients.safetensors')
const batch = join(ck.folder, 'batch.json')

const recordedOf = (name: string) =>
  JSON.parse(readFileSync(join(goldens, name, 'gradients.json'), 'utf8')) as { ids: number[][]; loss: number }

interface Entry {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data_offsets: readonly [number, number]
}

function readTensors(path: string) {
  const file = readFileSync(path)
  const end = 8 + Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', 8, end)) as { readonly [name: string]: Entry }
  const { __metadata__: _, ...entries } = header
  return { entries, view: new DataView(file.buffer, file.byteOffset + end) }
}

describe('ck grads', () => {
  it.each(['f32', 'f64'])(
    'writes the loss and the gradient of every tensor as the checkpoint has it, in %s',
    async (dtype) => {
      const { ids, loss } = recordedOf('gpt2')
      writeFileSync(batch, JSON.stringify(ids))
      const ended = await ck(['grads', join(goldens, 'gpt2'), '--ids-file', batch, '-o', out, '--dtype', dtype])
      const stderr = dtype === 'f32' ? 'ck: compiling\n' : ''
      expect(ended).toMatchObject({ code: 0, stdout: '', stderr })
      const { entries, view } = readTensors(out)
      const stored = readTensors(join(goldens, 'gpt2/model.safetensors')).entries
      const names = Object.keys(stored).map((name) => `grad.${name}`)
      expect(Object.keys(entries).toSorted()).toEqual([...names, 'loss'].toSorted())
      for (const [name, { shape }] of Object.entries(stored))
        expect(entries[`grad.${name}`]).toMatchObject({ dtype: dtype.toUpperCase(), shape })
      const [from] = entries.loss!.data_offsets
      const found = dtype === 'f64' ? view.getFloat64(from, true) : view.getFloat32(from, true)
      expect(Math.abs(found / loss - 1)).toBeLessThan(1e-6)
    },
  )

  it('is as exact in f32 by the compiled program as float64 is, with any number of threads', async () => {
    writeFileSync(batch, JSON.stringify(recordedOf('qwen3-window').ids))
    const files = ['1', '3'].map((threads) => [threads, join(ck.folder, `${threads}.safetensors`)] as const)
    for (const [threads, path] of files) {
      const given = ['--ids-file', batch, '-o', path, '--threads', threads]
      expect(await ck.here(['grads', join(goldens, 'qwen3-window'), ...given])).toMatchObject({ code: 0, stdout: '' })
    }
    const [first, second] = files.map(([, path]) => readFileSync(path))
    expect(second!.equals(first!)).toBe(true)
    const against = ['--ids-file', batch, '--against', files[0]![1], '--json']
    const { code, stdout } = await ck.here(['parity', '--train', join(goldens, 'qwen3-window'), ...against])
    expect(code).toBe(0)
    const { interpreter, file, ops, firstDivergence } = JSON.parse(stdout)
    expect([interpreter.isWithin, file.isWithin, firstDivergence]).toEqual([true, true, undefined])
    expect(interpreter.gradients).toHaveLength(file.gradients.length)
    expect(ops.some(({ op }: { op: string }) => op === 'attentionBackward')).toBe(true)
    expect(readdirSync(join(ck.cache, 'models'))).toEqual([])
  })

  it('gives those of a training in bf16, which are near', async () => {
    writeFileSync(batch, JSON.stringify(recordedOf('qwen3-window').ids))
    const files = ['f32', 'bf16'].map((precision) => [precision, join(ck.folder, `${precision}.safetensors`)] as const)
    for (const [precision, path] of files) {
      const given = ['--ids-file', batch, '-o', path, '--precision', precision]
      expect(await ck.here(['grads', join(goldens, 'qwen3-window'), ...given])).toMatchObject({ code: 0, stdout: '' })
    }
    const [wide, narrow] = files.map(([, path]) => readTensors(path))
    expect(narrow!.entries).toEqual(wide!.entries)
    let [error, square] = [0, 0]
    for (let at = 0; at < wide!.view.byteLength; at += 4) {
      const expected = wide!.view.getFloat32(at, true)
      error += (narrow!.view.getFloat32(at, true) - expected) ** 2
      square += expected ** 2
    }
    expect(error / square).toBeGreaterThan(1e-9)
    expect(error / square).toBeLessThan(1e-3)
  })

  it('refuses bf16 of the interpreter, which would not have it', async () => {
    writeFileSync(batch, '[[1, 2, 3]]')
    const given = ['grads', join(goldens, 'gpt2'), '--ids-file', batch, '-o', out, '--precision', 'bf16']
    const asked = await ckHere([...given, '--dtype', 'f64'])
    expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining('accepted: with --dtype f32') })
    const forced = await ck(given, { env: { CC: '', PATH: ck.folder } })
    expect(forced).toMatchObject({ code: 1, stderr: expect.stringContaining('no C compiler') })
  })

  it('falls back on the interpreter, and says so, where there is no C compiler', async () => {
    writeFileSync(batch, '[[1, 2, 3]]')
    const env = { CC: '', PATH: ck.folder }
    const ended = await ck(['grads', join(goldens, 'gpt2'), '--ids-file', batch, '-o', out], { env })
    expect(ended).toMatchObject({ code: 0, stdout: '' })
    expect(ended.stderr).toMatch(/^ck: there is no C compiler, so the gradients are computed in float64/)
  })

  it.each([
    ['no JSON', '[[1, 2', /is not JSON/],
    ['no array', '{}', /the file is no array/],
    ['an empty array', '[]', /the array is empty/],
    ['a flat array', '[1, 2]', /element 1 is no array/],
    ['a short sequence', '[[1], [2]]', /sequence 1 has 1 id; accepted: .* at least 2/],
    ['sequences of two lengths', '[[1, 2], [1, 2, 3]]', /sequence 2 has 3 ids and sequence 1 has 2/],
    ['what is no id', '[[1, -2]]', /id 2 of sequence 1 is -2/],
    ['an id beyond the vocabulary', '[[1, 100000]]', /token id 100000 at position 1 is outside the vocabulary/],
    ['a sequence beyond the context', `[[${Array(5000).fill(1)}]]`, /5000 tokens do not fit the context/],
  ])('refuses %s', async (_what, text, says) => {
    writeFileSync(batch, text)
    const ended = await ckHere(['grads', join(goldens, 'gpt2'), '--ids-file', batch, '-o', out])
    expect(ended).toMatchObject({ code: 1, stdout: '' })
    expect(ended.stderr).toMatch(says)
    expect(ended.stderr.trim().split('\n')).toHaveLength(1)
  })

  it('names the gradients that another side has otherwise, and refuses a comparison without ids', async () => {
    writeFileSync(batch, JSON.stringify(recordedOf('gpt2').ids))
    const model = join(goldens, 'gpt2')
    await ck.here(['grads', model, '--ids-file', batch, '-o', out])
    const other = join(ck.folder, 'other.json')
    writeFileSync(other, '[[5, 4, 3, 2], [1, 2, 3, 4]]')
    const { code, stdout } = await ck.here(['parity', '--train', model, '--ids-file', other, '--against', out])
    expect(code).toBe(1)
    expect(stdout).toMatch(/\nOUT +\S+ +\S+ +\S+ +transformer\./)
    expect(stdout).toMatch(/within the tolerance of the interpreter: .*, 0 gradients out\nNOT within the tolerance of /)
    const refused = await ck.here(['parity', '--train', model, '--against', out])
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('with --ids-file')])
  })

  it('refuses an encoder', async () => {
    writeFileSync(batch, '[[1, 2]]')
    const { code, stderr } = await ck.here([
      'grads',
      join(root, 'tests/parity/embeddings/bert'),
      '--ids-file',
      batch,
      '-o',
      out,
    ])
    expect([code, stderr]).toEqual([2, expect.stringContaining('a model that continues text, no encoder')])
  })
})
