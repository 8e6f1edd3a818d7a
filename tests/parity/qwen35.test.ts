import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CkError } from '../../src/base/errors.ts'
import { compile } from '../../src/compile.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import type { TensorData } from '../../src/formats/tensorData.ts'
import { writeGguf } from '../../src/formats/writeGguf.ts'
import { writeSafetensors } from '../../src/formats/writeSafetensors.ts'
import { interpretLogits } from '../../src/parity/interpretModel.ts'
import { modelSource, type SourceTensor } from '../../src/quantize/modelSource.ts'
import { quantizeModel } from '../../src/quantize/quantizeModel.ts'
import type { RecipeName } from '../../src/quantize/recipes.ts'
import { load, type Model } from '../../src/run/session.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { seededRandom } from '../conformance/random.ts'
import { build, nmseOf, readGolden } from './golden.ts'

const dir = mkdtempSync(join(tmpdir(), 'ck-qwen35-'))
afterAll(() => rmSync(dir, { recursive: true }))

const golden = readGolden('qwen35')

function interpreted(path: string, ids: readonly number[]): Float64Array {
  const checkpoint = openCheckpoint(path)
  const { data } = interpretLogits(checkpoint, readModel(checkpoint), ids)
  checkpoint.close()
  return data
}

async function quantised(folder: string, name: string, recipe: RecipeName): Promise<string> {
  const path = join(dir, `${name}.gguf`)
  const checkpoint = openCheckpoint(folder)
  await quantizeModel(checkpoint, path, { recipe, threads: 1 })
  checkpoint.close()
  return path
}

describe.each(['qwen35', 'qwen35-tied-bias', 'qwen35-odd-rope'])('%s as a GGUF file', (name) => {
  it('has the logits of the folder, in every mode', async () => {
    const { checkpoint, ids, logits } = readGolden(name)
    const path = await quantised(checkpoint, name, 'f32')
    expect(nmseOf(logits, interpreted(path, ids))).toBeLessThan(1e-10)
    const model = await build(path)
    const session = model.session({ threads: 2 })
    const prefill = await session.logits(ids)
    expect(nmseOf(logits, prefill)).toBeLessThan(1e-9)
    expect(await session.logits(ids, { mode: 'decode' })).toEqual(prefill)
  })
})

/** The tensors of a golden folder under other names. */
function renamedTensors(rename: (name: string) => string): TensorData[] {
  const checkpoint = openCheckpoint(golden.checkpoint)
  const tensors = [...checkpoint.tensors.values()].map((record) => ({
    name: rename(record.name),
    dtype: record.dtype,
    shape: record.shape,
    data: checkpoint.read(record).slice(),
  }))
  checkpoint.close()
  return tensors as TensorData[]
}

it('reads the language model of a folder with a vision tower and further layers that predict', () => {
  const folder = join(dir, 'wrapped')
  mkdirSync(folder)
  const text = JSON.parse(readFileSync(join(golden.checkpoint, 'config.json'), 'utf8'))
  const config = {
    architectures: ['Qwen3_5ForConditionalGeneration'],
    tie_word_embeddings: false,
    text_config: { ...text, architectures: null },
    vision_config: { depth: 1 },
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  const other = (name: string) => ({ name, dtype: 'f32', shape: [2], data: new Uint8Array(8) }) as TensorData
  writeSafetensors(join(folder, 'model.safetensors'), [
    ...renamedTensors((name) => name.replace(/^model\./, 'model.language_model.')),
    other('model.visual.blocks.0.norm1.weight'),
    other('mtp.norm.weight'),
  ])
  expect(nmseOf(golden.logits, interpreted(folder, golden.ids))).toBeLessThan(1e-12)
})

it('does not read blocks of a GGUF file that predict further tokens', async () => {
  const path = await quantised(golden.checkpoint, 'further', 'f32')
  const checkpoint = openCheckpoint(path)
  const { metadata, tensors } = modelSource(checkpoint)
  const whole = ({ shape, read }: SourceTensor) =>
    read(
      0,
      shape.slice(0, -1).reduce((a, b) => a * b, 1),
    )
  const data = tensors.map((tensor) => ({ ...tensor, data: whole(tensor) }))
  const other = { name: 'blk.4.nextn.enorm.weight', dtype: 'f32', shape: [2], data: new Uint8Array(8) } as const
  const more = { 'qwen35.block_count': 5, 'qwen35.nextn_predict_layers': 1 }
  const keys = Object.entries(more).map(([key, value]) => [key, { type: 'uint32', value }] as const)
  writeGguf(join(dir, 'more.gguf'), { ...metadata, ...Object.fromEntries(keys) }, [...data, other])
  checkpoint.close()
  expect(nmseOf(golden.logits, interpreted(join(dir, 'more.gguf'), golden.ids))).toBeLessThan(1e-10)
})

describe('a model with recurrent states', () => {
  const { ids } = golden
  let model: Model
  let whole: Float32Array

  beforeAll(async () => {
    const out = join(dir, 'run')
    await compile(golden.checkpoint, { out, prefillTokens: 5, sequences: 2 })
    model = await load(out)
    whole = await model.session({ threads: 1 }).logits(ids)
  })
  afterAll(() => model.close())

  const rowsOf = (from: number, to: number) => whole.subarray(from * model.info.vocabulary, to * model.info.vocabulary)

  it('gives equal bits for prompts of many steps, in one step, and token by token', async () => {
    const large = await build(golden.checkpoint)
    expect(await large.session({ threads: 3 }).logits(ids)).toEqual(whole)
    expect(await model.session({ threads: 2 }).logits(ids, { mode: 'decode' })).toEqual(whole)
  })

  it('goes back to checkpoints and to the ends of prompts, and says which positions are near', async () => {
    const session = model.session({ threads: 2 })
    await session.append(ids.slice(0, 9))
    await session.append(ids.slice(9, 10))
    session.checkpoint()
    for (const id of ids.slice(10, 14)) await session.append([id])
    expect([3, 9, 11, 14].map((position) => session.restorable(position))).toEqual([0, 9, 10, 14])
    const refused = (position: number) => {
      try {
        session.rewind(position)
      } catch (error) {
        return (error as CkError).message
      }
      return 'nothing was refused'
    }
    expect(refused(12)).toContain('the nearest positions accepted: 10 and 14')
    expect(refused(4)).toContain('the nearest positions accepted: 0 and 9')
    session.rewind(10)
    expect(await session.append(ids.slice(10, 16), { rows: 6 })).toEqual(rowsOf(10, 16))
    session.rewind(9)
    expect(session.restorable(9)).toBe(9)
    expect(await session.append(ids.slice(9), { rows: ids.length - 9 })).toEqual(rowsOf(9, ids.length))
    expect(session.restorable(15)).toBe(9)
    expect(session.match([...ids.slice(0, 12), 1])).toBe(9)
    session.reset()
    expect(await session.append(ids, { rows: ids.length })).toEqual(whole)
  })

  it('holds after an abort what it says, and goes on from there with the same bits', async () => {
    const session = model.session({ threads: 2 })
    const abort = new AbortController()
    const call = session.append(ids, { rows: 1, signal: abort.signal }).catch(() => undefined)
    setImmediate(() => abort.abort())
    await call
    const { position } = session
    if (position < ids.length)
      expect(await session.append(ids.slice(position), { rows: 1 })).toEqual(rowsOf(ids.length - 1, ids.length))
    expect(session.position).toBe(ids.length)
  })

  it('keeps sequences apart, and copies of their prefixes', async () => {
    const session = model.session({ threads: 2 })
    const other = session.sequence(1)
    const tail = ids.toReversed()
    const alone = await model.session({ threads: 1 }).logits(tail)
    const parts = [
      { sequence: session, ids, rows: ids.length },
      { sequence: other, ids: tail, rows: tail.length },
    ]
    for (const mode of ['prefill', 'decode'] as const) {
      session.reset()
      other.reset()
      expect(await session.appendTogether(parts, { mode })).toEqual([whole, alone])
    }
    session.reset()
    await session.append(ids.slice(0, 7))
    await session.append(ids.slice(7, 12))
    other.copyFrom(session, 7)
    expect(await other.append(ids.slice(7), { rows: ids.length - 7 })).toEqual(rowsOf(7, ids.length))
  })

  it('goes on with the same bits from saved tokens', async () => {
    const session = model.session({ threads: 2 })
    await session.append(ids.slice(0, 11))
    await session.save(join(dir, 'tokens'))
    const other = model.session({ threads: 1 })
    await other.load(join(dir, 'tokens'))
    expect(await other.append(ids.slice(11), { rows: ids.length - 11 })).toEqual(rowsOf(11, ids.length))
    other.rewind(11)
    expect(await other.append(ids.slice(11), { rows: 1 })).toEqual(rowsOf(ids.length - 1, ids.length))
  })
})

describe('block formats', () => {
  const ids = Array.from({ length: 19 }, (_, i) => (i * 29) % 96)

  it.each(['q8_0', 'q4_0'] as const)('compute a Qwen3.5 in %s', async (recipe) => {
    const path = await quantised(wideFolder(), `wide-${recipe}`, recipe)
    const model = await build(path)
    const session = model.session({ threads: 2 })
    const prefill = await session.logits(ids)
    expect(nmseOf(interpreted(path, ids), prefill)).toBeLessThan(2e-3)
    expect(await session.logits(ids, { mode: 'decode' })).toEqual(prefill)
  })
})

it.each([1, 5])('computes a model with full attention in every layer number %i', async (interval) => {
  const ids = Array.from({ length: 19 }, (_, i) => (i * 31) % 96)
  const folder = wideFolder(interval)
  const path = await quantised(folder, `every-${interval}`, 'f32')
  const expected = interpreted(folder, ids)
  expect(nmseOf(expected, interpreted(path, ids))).toBeLessThan(1e-10)
  const model = await build(path)
  const prefill = await model.session({ threads: 2 }).logits(ids)
  expect(nmseOf(expected, prefill)).toBeLessThan(1e-9)
  expect(await model.session({ threads: 1 }).logits(ids, { mode: 'decode' })).toEqual(prefill)
})

/** A random model whose rows are whole blocks of 32. */
function wideFolder(interval = 4): string {
  const folder = join(dir, `wide-${interval}`)
  mkdirSync(folder, { recursive: true })
  const config = {
    architectures: ['Qwen3_5ForCausalLM'],
    vocab_size: 96,
    hidden_size: 64,
    intermediate_size: 96,
    num_hidden_layers: 4,
    full_attention_interval: interval,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 32,
    linear_num_key_heads: 2,
    linear_num_value_heads: 4,
    linear_key_head_dim: 16,
    linear_value_head_dim: 24,
    max_position_embeddings: 128,
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  const random = seededRandom(5)
  const tensor = (name: string, scale: number, ...shape: number[]): TensorData => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal() * scale)
    return { name, dtype: 'f32', shape, data: new Uint8Array(values.buffer) }
  }
  const layer = (i: number) => {
    const at = `model.layers.${i}.`
    const mixer =
      (i + 1) % interval === 0
        ? [
            tensor(`${at}self_attn.q_proj.weight`, 0.12, 128, 64),
            tensor(`${at}self_attn.k_proj.weight`, 0.12, 32, 64),
            tensor(`${at}self_attn.v_proj.weight`, 0.12, 32, 64),
            tensor(`${at}self_attn.o_proj.weight`, 0.12, 64, 64),
            tensor(`${at}self_attn.q_norm.weight`, 0.2, 32),
            tensor(`${at}self_attn.k_norm.weight`, 0.2, 32),
          ]
        : [
            tensor(`${at}linear_attn.in_proj_qkv.weight`, 0.12, 160, 64),
            tensor(`${at}linear_attn.in_proj_z.weight`, 0.12, 96, 64),
            tensor(`${at}linear_attn.in_proj_b.weight`, 0.12, 4, 64),
            tensor(`${at}linear_attn.in_proj_a.weight`, 0.12, 4, 64),
            tensor(`${at}linear_attn.conv1d.weight`, 0.5, 160, 1, 4),
            tensor(`${at}linear_attn.A_log`, 0.5, 4),
            tensor(`${at}linear_attn.dt_bias`, 0.5, 4),
            tensor(`${at}linear_attn.norm.weight`, 1, 24),
            tensor(`${at}linear_attn.out_proj.weight`, 0.12, 64, 96),
          ]
    return [
      ...mixer,
      tensor(`${at}input_layernorm.weight`, 0.2, 64),
      tensor(`${at}post_attention_layernorm.weight`, 0.2, 64),
      tensor(`${at}mlp.gate_proj.weight`, 0.12, 96, 64),
      tensor(`${at}mlp.up_proj.weight`, 0.12, 96, 64),
      tensor(`${at}mlp.down_proj.weight`, 0.12, 64, 96),
    ]
  }
  writeSafetensors(join(folder, 'model.safetensors'), [
    tensor('model.embed_tokens.weight', 1, 96, 64),
    ...[0, 1, 2, 3].flatMap(layer),
    tensor('model.norm.weight', 0.2, 64),
    tensor('lm_head.weight', 0.12, 96, 64),
  ])
  return folder
}
