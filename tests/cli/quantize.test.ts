import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeTensor } from '../../src/base/dtypes.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { writeGguf } from '../../src/formats/writeGguf.ts'
import { readImportance } from '../../src/quantize/importance.ts'
import { type Ck, data, demo, hasData, openCk } from './ck.ts'

let ck: Ck
beforeAll(() => {
  ck = openCk()
})
afterAll(() => ck.remove())

const at = (name: string) => join(ck.folder, name)

/** The values of a tensor of a GGUF file. */
function valuesOf(path: string, name: string): Float64Array {
  const checkpoint = openCheckpoint(path)
  const record = checkpoint.tensors.get(name)!
  const elements = record.shape.reduce((product, dim) => product * dim, 1)
  const values = decodeTensor(record.dtype, checkpoint.read(record), elements)
  checkpoint.close()
  return values
}

/** Runs ck quantize and gives its report. */
async function quantize(input: string, name: string, ...options: readonly string[]) {
  const { code, stdout, stderr } = await ck(['quantize', input, at(name), ...options, '--json'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const report = JSON.parse(stdout)
  const counts: { [dtype: string]: number } = {}
  for (const { dtype } of report.tensors) counts[dtype] = (counts[dtype] ?? 0) + 1
  return { ...report, counts }
}

describe('ck quantize', () => {
  it('writes a mix whose logits are near, with the metadata and the tokenizer of its source', async () => {
    const report = await quantize(demo, 'q4_k_m.gguf', '--format', 'q4_k_m')
    expect(report).toMatchObject({ format: 'q4_k_m', parameters: 3672832, counts: { f32: 17, q4_K: 24, q6_K: 5 } })
    expect(report.bitsPerWeight).toBeLessThan(5.3)
    const [source, written] = [openCheckpoint(demo), openCheckpoint(at('q4_k_m.gguf'))]
    if (source.description.format !== 'gguf' || written.description.format !== 'gguf') throw new Error('no GGUF')
    const own = { 'general.file_type': 15, 'general.quantization_version': 2 }
    expect(Object.fromEntries(written.description.metadata)).toEqual({
      ...Object.fromEntries(source.description.metadata),
      ...own,
    })
    for (const [key, type] of source.description.types) expect(written.description.types.get(key)).toEqual(type)
    source.close()
    written.close()
    const text = at('speech.txt')
    writeFileSync(text, 'First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n')
    const score = await ck(['perplexity', at('q4_k_m.gguf'), '--file', text, '--kl-base', demo, '--json'])
    expect(JSON.parse(score.stdout).base.klDivergence.mean).toBeLessThan(0.02)
  })

  it('gives the same bytes for any number of threads', async () => {
    const files = ['1', '2', '5'].map((threads) => [`threads-${threads}.gguf`, threads] as const)
    for (const [name, threads] of files) await quantize(demo, name, '--format', 'q3_k_m', '--threads', threads)
    const [one, ...others] = files.map(([name]) => readFileSync(at(name)))
    for (const other of others) expect(other.equals(one!)).toBe(true)
  })

  it('copies what has its format already, follows rules, and tells people what it wrote', async () => {
    await quantize(demo, 'same.gguf', '--format', 'q8_0')
    const [source, same] = [openCheckpoint(demo), openCheckpoint(at('same.gguf'))]
    for (const [name, record] of source.tensors) {
      expect(Buffer.compare(same.read(same.tensors.get(name)!), source.read(record)), name).toBe(0)
    }
    source.close()
    same.close()
    const rules = ['--tensor', 'blk.*.ffn_*=q6_K', '--tensor', 'blk.0.ffn_up=bf16']
    const { counts } = await quantize(demo, 'rules.gguf', '--format', 'q8_0', ...rules)
    expect(counts).toEqual({ q8_0: 17, q6_K: 11, bf16: 1, f32: 17 })
    const { code, stdout } = await ck(['quantize', demo, at('people.gguf'), '--format', 'f16'])
    expect(stdout).toMatch(/people.gguf: f16, 46 tensors \(29 f16, 17 f32\), 7\.\d MiB, 16\.\d\d bits per weight\n$/)
    expect(code).toBe(0)
  })

  it('refuses values that are not finite, rules that match nothing and formats that do not exist, and leaves no file', async () => {
    const bad = at('bad.gguf')
    const values = new Float32Array(4 * 256).fill(1)
    values[3 * 256 + 7] = Number.NaN
    writeGguf(bad, { 'general.architecture': { type: 'string', value: 'llama' } }, [
      { name: 'blk.0.ffn_up.weight', dtype: 'f32', shape: [4, 256], data: new Uint8Array(values.buffer) },
    ])
    const refusal = async (...parameters: readonly string[]) => {
      const { code, stderr } = await ck(['quantize', ...parameters])
      return [code, stderr.split('\n').at(-2)]
    }
    const row = `ck: ${bad}: row 3 of tensor 'blk.0.ffn_up.weight' has the value NaN; accepted: finite values`
    expect(await refusal(bad, at('x.gguf'), '--format', 'q4_k_m')).toEqual([1, row])
    expect(await refusal(demo, at('x.gguf'), '--format', 'q8_0', '--tensor', 'blk.9.*=q4_0')).toEqual([
      2,
      `ck: --tensor is 'blk.9.*=q4_0'; accepted: patterns that match a matrix of ${demo}`,
    ])
    expect(await refusal(demo, at('x.gguf'), '--format', 'q4_k_x')).toEqual([2, expect.stringContaining('q4_k_s')])
    expect(await refusal(demo, at('x.gguf'), '--format', 'q8_0', '--tensor', 'a=b')).toEqual([
      2,
      expect.stringContaining('PATTERN=TYPE'),
    ])
    expect(await refusal(demo, '--format', 'q8_0')).toEqual([2, expect.stringContaining("'output'")])
    expect(readdirSync(ck.folder).filter((name) => name.startsWith('x.gguf'))).toEqual([])
  })

  it('is interrupted by Ctrl-C and leaves the older file as it was', async () => {
    const out = at('older.gguf')
    writeFileSync(out, 'older')
    const { code } = await ck(['quantize', demo, out, '--format', 'q2_k', '--threads', '1'], {
      onStderr: (text) => (text.includes('quantising') ? 'SIGINT' : undefined),
    })
    expect(code).toBe(130)
    expect(readFileSync(out, 'utf8')).toBe('older')
    expect(readdirSync(ck.folder).filter((name) => name.startsWith('older'))).toEqual(['older.gguf'])
  })
})

describe('ck imatrix', () => {
  it('gives the mean squares of what matrices read, which make quantising follow the columns that count', async () => {
    const text = at('text.txt')
    writeFileSync(text, 'ROMEO:\nBut soft, what light through yonder window breaks?\n'.repeat(12))
    const out = at('imatrix.gguf')
    const { code, stdout, stderr } = await ck(['imatrix', demo, '--file', text, '-o', out, '--window', '96', '--json'])
    expect(code, stderr).toBe(0)
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({ matrices: 29, window: 96, chunks: Math.ceil(report.tokens / 96) })
    const { columns } = readImportance(out)
    expect(columns.get('blk.0.ffn_down.weight')!.length).toBe(768)
    // q, k and v read the same.
    expect(columns.get('blk.2.attn_q.weight')).toEqual(columns.get('blk.2.attn_v.weight'))
    expect(columns.get('blk.2.ffn_gate.weight')).not.toEqual(columns.get('blk.2.attn_v.weight'))
    await quantize(demo, 'weighted.gguf', '--format', 'q4_0', '--imatrix', out)
    await quantize(demo, 'plain.gguf', '--format', 'q4_0')
    for (const [name, importance] of columns) {
      const wanted = valuesOf(demo, name)
      const error = (path: string) =>
        valuesOf(path, name).reduce(
          (sum, value, i) => sum + importance[i % importance.length]! * (value - wanted[i]!) ** 2,
          0,
        )
      expect(error(at('weighted.gguf')), name).toBeLessThan(error(at('plain.gguf')))
    }
  })

  it('normalises the input of a layer as its gain says, so that its squares are known', async () => {
    const ids = at('short.txt')
    writeFileSync(ids, 'Speak, speak.')
    const out = at('short.gguf')
    await ck(['imatrix', demo, '--file', ids, '-o', out])
    const checkpoint = openCheckpoint(demo)
    const gains = new Float32Array(checkpoint.read(checkpoint.tensors.get('blk.0.attn_norm.weight')!).slice().buffer)
    checkpoint.close()
    const squares = readImportance(out).columns.get('blk.0.attn_q.weight')!
    // Rows of mean square 1 before the gain, but for what the norm's epsilon takes from small ones.
    const mean = squares.reduce((sum, square, i) => sum + square / gains[i]! ** 2, 0) / squares.length
    expect(mean).toBeCloseTo(1, 2)
  })

  it('refuses a text without tokens and a file that is no importance matrix', async () => {
    const empty = at('empty.txt')
    writeFileSync(empty, '')
    const { code, stderr } = await ck(['imatrix', demo, '--file', empty, '-o', at('none.gguf')])
    expect([code, stderr.split('\n').at(-2)]).toEqual([1, `ck: ${empty}: the file is empty; accepted: a text`])
    expect(existsSync(at('none.gguf'))).toBe(false)
    const other = await ck(['quantize', demo, at('y.gguf'), '--format', 'q4_0', '--imatrix', demo])
    expect(other.code).toBe(1)
    expect(other.stderr).toContain("no tensor's name ends in .in_sum2")
  })
})

describe.skipIf(!hasData)('ck quantize (needs ../shared/data)', () => {
  it('writes a model whose rows no block of 256 divides, by narrower blocks', async () => {
    const { counts } = await quantize(join(data, 'stories260K.gguf'), 'stories.gguf', '--format', 'q4_k_m')
    expect(Object.keys(counts).toSorted()).toEqual(['f16', 'f32', 'q5_0', 'q8_0'])
    const run = await ck(['run', at('stories.gguf'), '-p', 'Once upon a time', '-n', '8', '--temp', '0', '--json'])
    expect(run.code, run.stderr).toBe(0)
  })
})
