import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { type Graph, typeOf } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { Rewriter } from '../../src/ir/rewrite.ts'
import { type Tensor, tensor } from '../../src/ir/tensor.ts'
import { linear } from '../../src/ops/linear.ts'
import { ops } from '../../src/ops/registry.ts'
import { interpretEmbedding } from '../../src/parity/interpretModel.ts'
import { chooseDtypes } from '../../src/passes/chooseDtypes.ts'
import { differentiate } from '../../src/passes/differentiate.ts'
import { differentiableWeights } from '../../src/passes/gradientFlow.ts'
import { quantizeModel } from '../../src/quantize/quantizeModel.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { weightTensor } from '../../src/templates/weightRows.ts'
import { seededRandom } from '../conformance/random.ts'
import { build, nmseOf } from './golden.ts'

const recorded = fileURLToPath(new URL('./embeddings/', import.meta.url))
const names = readdirSync(recorded, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
)
const dir = mkdtempSync(join(tmpdir(), 'ck-embeddings-'))
afterAll(() => rmSync(dir, { recursive: true }))

/** The ids of a recorded encoder, their embedding and that of the first five. */
function read(name: string) {
  const file = readFileSync(join(recorded, name, 'embedding.safetensors'))
  const end = 8 + Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', 8, end)) as Record<string, { data_offsets: [number, number] }>
  const bytes = (key: string) => {
    const [from, to] = header[key]!.data_offsets
    return Uint8Array.from(file.subarray(end + from, end + to)).buffer
  }
  const ids = [...new Int32Array(bytes('ids'))]
  return { ids, embedding: new Float64Array(bytes('embedding')), short: new Float64Array(bytes('short')) }
}

function interpreted(path: string, ids: readonly number[]): Float64Array {
  const checkpoint = openCheckpoint(path)
  try {
    return interpretEmbedding(checkpoint, readModel(checkpoint), ids).data
  } finally {
    checkpoint.close()
  }
}

async function converted(name: string, recipe: 'f32' | 'q8_0'): Promise<string> {
  const out = join(dir, `${name}-${recipe}.gguf`)
  const folder = openCheckpoint(join(recorded, name))
  await quantizeModel(folder, out, { recipe, threads: 1 })
  folder.close()
  return out
}

describe.each(names)('%s against its PyTorch reference', (name) => {
  const { ids, embedding, short } = read(name)

  it('interprets to NMSE 1e-12, from the folder and from a GGUF file of f32', async () => {
    expect(nmseOf(embedding, interpreted(join(recorded, name), ids))).toBeLessThan(1e-12)
    // GGUF files hold eps as f32.
    expect(nmseOf(embedding, interpreted(await converted(name, 'f32'), ids))).toBeLessThan(1e-11)
  })

  it('computes in f32 to NMSE 1e-10, long and short in turns, with equal bits for any number of threads', async () => {
    const model = await build(join(recorded, name), { strict: true })
    const session = model.session({ threads: 1 })
    const found = await session.embed(ids)
    expect(nmseOf(embedding, found)).toBeLessThan(1e-10)
    expect(nmseOf(short, await session.embed(ids.slice(0, 5)))).toBeLessThan(1e-10)
    expect(await session.embed(ids)).toEqual(found)
    for (const threads of [2, 3, 5]) expect(await model.session({ threads }).embed(ids)).toEqual(found)
  })
})

/** A graph whose output is the product of a vector, the input `probe`, with the embedding that the given one ends with. */
function probed(graph: Graph): Graph {
  const [name = ''] = graph.outputs
  const to = new Rewriter({ ...graph, outputs: [] }, ops)
  for (const node of graph.nodes) to.copy(node)
  const w = to.builder.input('probe', { dtype: 'f32', shape: typeOf(graph, name)!.shape })
  to.builder.output(to.builder.apply(linear, 'loss', { x: to.value(name), w }, {}))
  return to.finish()
}

describe.each(names)('the gradients of %s', (name) => {
  it('are those that differences of its embedding say, for every weight', () => {
    const checkpoint = openCheckpoint(join(recorded, name))
    const model = readModel(checkpoint)
    const forward = probed(chooseDtypes(model.graph, { strict: true }))
    const trainable = differentiableWeights(forward, ops)
    const whole = differentiate(forward, trainable)
    const random = seededRandom(9)
    const drawn = (shape: readonly number[]) => {
      const count = shape.reduce((product, dim) => product * dim, 1)
      return tensor(
        shape,
        Array.from({ length: count }, () => random.normal()),
      )
    }
    const ids = [7, 3, 3, 60, 11]
    const values = new Map<string, Tensor>([
      ['probe', drawn([1, model.sizes.embedding!])],
      ['ids', tensor([5], ids)],
      ['positions', tensor([5], [0, 1, 2, 3, 4])],
      ['types', tensor([5])],
      ...forward.weights.map(({ name: weight, sources, type }): [string, Tensor] => [
        weight,
        weightTensor(checkpoint, model, sources, type.shape.map(Number)),
      ]),
    ])
    checkpoint.close()
    const results = interpret(whole, ops, { given: (value) => values.get(value)! })
    for (const weight of trainable) {
      const { shape, data } = values.get(weight)!
      const [direction, gradient] = [drawn(shape).data, results.get(`${weight}.grad`)!.data]
      const lossAt = (step: number) => {
        const moved = tensor(
          shape,
          data.map((value, i) => value + step * direction[i]!),
        )
        const given = (value: string) => (value === weight ? moved : values.get(value)!)
        return interpret(forward, ops, { given }).get('loss')!.data[0]!
      }
      const h = 1e-4
      const difference = (8 * (lossAt(h) - lossAt(-h)) - (lossAt(2 * h) - lossAt(-2 * h))) / (12 * h)
      const expected = gradient.reduce((sum, value, i) => sum + value * direction[i]!, 0)
      const size = Math.hypot(...gradient) * Math.hypot(...direction)
      expect(Math.abs(difference - expected), weight).toBeLessThan(1e-7 * size + 1e-10)
    }
  })
})

describe('an encoder', () => {
  it('stays close with weights and activations of 8 bits', async () => {
    const { ids, embedding } = read('bert-cls')
    const model = await build(await converted('bert-cls', 'q8_0'))
    expect(nmseOf(embedding, await model.embed(ids))).toBeLessThan(2e-3)
  })

  it('refuses to continue text and to give logits, and embeds no text beyond its positions', async () => {
    const model = await build(join(recorded, 'bert'))
    const session = model.session()
    await expect(session.generate([1, 2]).next()).rejects.toThrow('is an encoder: it gives embeddings')
    await expect(session.logits([1, 2])).rejects.toThrow('is an encoder: it gives embeddings')
    await expect(session.embed([])).rejects.toThrow('0 token ids to embed')
    await expect(session.embed(new Int32Array(78))).rejects.toThrow('at most 77')
    expect(model.info.embedding).toBe(42)
    expect(await model.embed([7])).toHaveLength(42)
  })

  it('is the only kind of model that embeds', async () => {
    const model = await build(fileURLToPath(new URL('./goldens/qwen3', import.meta.url)))
    await expect(model.session().embed([1])).rejects.toThrow('continues text and gives no embeddings')
  })
})
