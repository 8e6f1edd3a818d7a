import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { writeSafetensors } from '../../src/formats/writeSafetensors.ts'
import type { Graph } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { type Tensor, tensor } from '../../src/ir/tensor.ts'
import { attendTo, firstAttended } from '../../src/ops/attentionRows.ts'
import { ops } from '../../src/ops/registry.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { weightTensor } from '../../src/templates/weightRows.ts'
import { seededRandom } from '../conformance/random.ts'
import { build, nmseOf } from './golden.ts'

const sizes = { vocabulary: 33, dim: 12, ffn: 14, headDim: 8 }

/** A transformers folder of one layer with one head, made for 65536 tokens. */
function writeModel(seed: number, config: Readonly<Record<string, unknown>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'ck-long-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const { vocabulary, dim, ffn, headDim } = sizes
  const random = seededRandom(seed)
  const layer = 'model.layers.0.'
  const shapes: readonly (readonly [string, number[], number])[] = [
    ['model.embed_tokens', [vocabulary, dim], 1],
    [`${layer}input_layernorm`, [dim], 0.2],
    [`${layer}self_attn.q_proj`, [headDim, dim], 0.5],
    [`${layer}self_attn.k_proj`, [headDim, dim], 0.5],
    [`${layer}self_attn.v_proj`, [headDim, dim], 0.5],
    [`${layer}self_attn.o_proj`, [dim, headDim], 0.5],
    [`${layer}post_attention_layernorm`, [dim], 0.2],
    [`${layer}mlp.gate_proj`, [ffn, dim], 0.3],
    [`${layer}mlp.up_proj`, [ffn, dim], 0.3],
    [`${layer}mlp.down_proj`, [dim, ffn], 0.3],
    ['model.norm', [dim], 0.2],
    ['lm_head', [vocabulary, dim], 0.5],
  ]
  const tensors = shapes.map(([name, shape, spread]) => {
    const elements = shape.reduce((product, axis) => product * axis, 1)
    const values = Float32Array.from(
      { length: elements },
      () => random.normal() * spread + (shape.length === 1 ? 1 : 0),
    )
    return { name: `${name}.weight`, dtype: 'f32' as const, shape, data: new Uint8Array(values.buffer) }
  })
  writeSafetensors(join(folder, 'model.safetensors'), tensors)
  const written = {
    hidden_size: dim,
    intermediate_size: ffn,
    vocab_size: vocabulary,
    head_dim: headDim,
    num_hidden_layers: 1,
    num_attention_heads: 1,
    num_key_value_heads: 1,
    max_position_embeddings: 65536,
    rms_norm_eps: 1e-5,
    ...config,
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(written))
  return folder
}

/** The last token's logits in float64. Only its row is attended: all of them would take a day. */
function lastLogits(path: string, ids: readonly number[]): Float64Array {
  const checkpoint = openCheckpoint(path)
  onTestFinished(() => checkpoint.close())
  const model = readModel(checkpoint)
  const { graph } = model
  const at = graph.nodes.findIndex(({ op }) => op === 'attention')
  const { inputs, outputs, attributes } = graph.nodes[at]!
  const given = (values: Readonly<Record<string, Tensor>>) => (name: string) => {
    const weight = graph.weights.find((candidate) => candidate.name === name)
    return values[name] ?? weightTensor(checkpoint, model, weight!.sources, weight!.type.shape.map(Number))
  }
  const before: Graph = { ...graph, nodes: graph.nodes.slice(0, at), outputs: [inputs.q!, inputs.k!, inputs.v!] }
  const steps = tensor(
    [ids.length],
    ids.map((_, position) => position),
  )
  const heads = interpret(before, ops, { given: given({ ids: tensor([ids.length], ids), positions: steps }) })
  const [q, k, v] = before.outputs.map((name) => heads.get(name)!.data) as [Float64Array, Float64Array, Float64Array]
  const last = ids.length - 1
  const width = sizes.headDim
  const row = (u: number) => u * width
  const mixed = new Float64Array(width)
  const first = firstAttended(last, attributes.window as number | undefined)
  const scale = Number(attributes.scale)
  attendTo(q.subarray(row(last)), 0, width, { scale }, first, ids.length, k, row, v, row, mixed)
  const after: Graph = {
    ...graph,
    nodes: graph.nodes.filter((_, i) => i !== at),
    inputs: [...graph.inputs, { name: outputs.y!, type: { dtype: 'f32', shape: ['tokens', 1, width] } }],
  }
  const one = { ids: tensor([1], [ids[last]!]), positions: tensor([1], [last]), output_index: tensor([1], [0]) }
  const result = interpret(after, ops, { given: given({ ...one, [outputs.y!]: tensor([1, 1, width], mixed) }) })
  return result.get('logits')!.data
}

it.each([
  ['all tokens', { architectures: ['LlamaForCausalLM'], rope_theta: 1e6 }],
  ['a window', { architectures: ['MistralForCausalLM'], rope_theta: 1e6, sliding_window: 1500 }],
  [
    'yarn',
    {
      architectures: ['MistralForCausalLM'],
      rope_parameters: { rope_type: 'yarn', rope_theta: 1e4, factor: 8, original_max_position_embeddings: 8192 },
      sliding_window: 3000,
    },
  ],
])('computes the token at position 40960 where a layer reads %s', async (_, config) => {
  const path = writeModel(40960, config)
  const random = seededRandom(7)
  const ids = Array.from({ length: 40961 }, () => random.whole(sizes.vocabulary))
  const model = await build(path, { context: ids.length })
  const session = model.session({ threads: 2 })
  const logits = await session.append(ids, { rows: 1 })
  expect(nmseOf(lastLogits(path, ids), logits)).toBeLessThan(1e-9)
  // The same token, decoded.
  session.rewind(ids.length - 1)
  expect(await session.append(ids.slice(-1), { rows: 1, mode: 'decode' })).toEqual(logits)
  await expect(session.append([0])).rejects.toThrow('do not fit the context')
})
