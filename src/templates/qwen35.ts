import type { Operand } from '../ir/op.ts'
import { attention } from '../ops/attention.ts'
import { multiply } from '../ops/multiply.ts'
import { reshape } from '../ops/reshape.ts'
import { rmsNorm } from '../ops/rmsNorm.ts'
import { rope } from '../ops/rope.ts'
import { sigmoid } from '../ops/sigmoid.ts'
import { sliceHeads } from '../ops/sliceHeads.ts'
import { type BlockContext, buildDecoder, mixedBlock, project } from './decoder/decoderBlocks.ts'
import { decoderSizes } from './decoder/decoderConfig.ts'
import { gatedDeltaNet } from './hybrid/deltaNet.ts'
import { freshQwen35, type Qwen35Config, qwen35FromGguf, qwen35FromTransformers } from './hybrid/qwen35Config.ts'
import { qwen35ToGguf } from './hybrid/qwen35ToGguf.ts'
import { qwen35ToTransformers } from './hybrid/qwen35ToTransformers.ts'
import { qwen35Weights } from './hybrid/qwen35Weights.ts'
import { defineTemplate } from './template.ts'

/**
 * Qwen3.5 dense: most layers are gated DeltaNets, the others gated attention of which a part of each head turns. Of a folder
 * with a vision tower the language model is read, which computes texts; layers that predict further tokens are not.
 */
export const qwen35 = defineTemplate<Qwen35Config>({
  name: 'qwen35',
  gguf: ['qwen35'],
  transformers: ['Qwen3_5ForCausalLM', 'Qwen3_5ForConditionalGeneration'],
  config: { gguf: qwen35FromGguf, transformers: qwen35FromTransformers },
  weights: qwen35Weights,
  ignored: [/\.rotary_emb\.inv_freq$/, /^(model\.)?visual\./, /^(model\.)?mtp\./],
  ignoredBy: ({ layers, extraLayers }) =>
    Array.from({ length: extraLayers }, (_, i) => new RegExp(`^blk\\.${layers + i}\\.`)),
  graph: (g, c, w) =>
    buildDecoder(g, c, w, (at, x) =>
      mixedBlock(at, x, 'before', (h) =>
        at.kind.rope === 'none' ? gatedDeltaNet(at, h, c.delta) : gatedAttention(at, h),
      ),
    ),
  toGguf: qwen35ToGguf,
  toTransformers: qwen35ToTransformers,
  fresh: {
    usual: { eps: 1e-6, tied: true, ffn: 3.5, theta: 1e7, headUnit: 8 },
    config: freshQwen35,
    initial: (weight) => (weight.endsWith('.ssm_a.weight') ? { kind: 'uniform', low: -16, high: -0.01 } : undefined),
  },
  sizes: decoderSizes,
})

/** Attention whose results are multiplied by the sigmoid of a gate, which stands beside the queries in every head. */
function gatedAttention(at: BlockContext, h: Operand): Operand {
  const { g, c, w, named, turns } = at
  const { headDim, eps } = c
  const heads = (name: string, count: number) =>
    g.apply(reshape, named(`${name}_heads`), { x: project(at, name, h) }, { heads: count })
  const turned = (name: string, x: Operand) => {
    const normed = g.apply(rmsNorm, named(`${name}_norm`), { x, gain: w(`${name}_norm`) }, { eps })
    return g.apply(rope, named(`${name}_rope`), { x: normed, table: turns! }, { style: c.ropes[0]!.style })
  }
  const both = heads('attn_q', c.heads)
  const queries = g.apply(sliceHeads, named('attn_q_query'), { x: both }, { from: 0, cols: headDim })
  const gate = g.apply(sliceHeads, named('attn_q_gate'), { x: both }, { from: headDim, cols: headDim })
  const q = turned('attn_q', queries)
  const k = turned('attn_k', heads('attn_k', c.kvHeads))
  const v = heads('attn_v', c.kvHeads)
  const mixed = g.apply(attention, named('attn'), { q, k, v }, { scale: c.scales.attention })
  const open = g.apply(sigmoid, named('attn_open'), { x: gate }, {})
  const gated = g.apply(multiply, named('attn_gated'), { x: mixed, z: open }, {})
  return project(at, 'attn_output', g.apply(reshape, named('attn_flat'), { x: gated }, { heads: 0 }))
}
