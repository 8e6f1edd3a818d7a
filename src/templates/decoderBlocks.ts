import type { GraphBuilder } from '../ir/build.ts'
import type { Operand } from '../ir/op.ts'
import { add } from '../ops/add.ts'
import { attention } from '../ops/attention.ts'
import { embedding } from '../ops/embedding.ts'
import { linear } from '../ops/linear.ts'
import { multiply } from '../ops/multiply.ts'
import { reshape } from '../ops/reshape.ts'
import { rmsNorm } from '../ops/rmsNorm.ts'
import { rope } from '../ops/rope.ts'
import { ropeTable } from '../ops/ropeTable.ts'
import { scale } from '../ops/scale.ts'
import { silu } from '../ops/silu.ts'
import { takeRows } from '../ops/takeRows.ts'
import type { DecoderConfig, LayerKind } from './decoderConfig.ts'

/** What a block works with besides its input. */
export interface BlockContext {
  readonly g: GraphBuilder
  readonly c: DecoderConfig
  readonly kind: LayerKind
  /** A weight of this block (`attn_q`), without prefix and suffix. */
  readonly w: (name: string) => Operand
  /** A bias of this block by its product's name. */
  readonly bias: (name: string) => Operand
  /** The name of a value of this block. */
  readonly named: (name: string) => string
  /** Cosines and sines of the step's positions; none where the layer knows no positions. */
  readonly turns: Operand | undefined
}

/** embedding → blocks → norm → head, over the inputs ids, positions and output_index. */
export function buildDecoder(
  g: GraphBuilder,
  c: DecoderConfig,
  w: (name: string) => Operand,
  block: (at: BlockContext, x: Operand) => Operand,
): void {
  const ids = g.input('ids', { dtype: 'i32', shape: ['tokens'] })
  const positions = g.input('positions', { dtype: 'i32', shape: ['tokens'] })
  const index = g.input('output_index', { dtype: 'i32', shape: ['outputs'] })
  const tables = c.ropes.map(({ pairs, theta, scale: positionScale, factors }, i) => {
    const divisors = factors === 'none' ? {} : { factors: w('rope_freqs.weight') }
    const attributes = { pairs, theta, scale: positionScale }
    return g.apply(ropeTable, i === 0 ? 'rope' : `rope_${i}`, { positions, ...divisors }, attributes)
  })
  const rows = g.apply(embedding, 'token_embd', { ids, table: w('token_embd.weight') }, {})
  let x = scaled(g, 'token_embd_scaled', rows, c.scales.embedding)
  c.pattern.forEach((kind, i) => {
    const named = (name: string) => `blk.${i}.${name}`
    const turns = kind.rope === 'none' ? undefined : tables[kind.rope]!
    const bias = (name: string) => w(`${named(name)}.bias`)
    x = block({ g, c, kind, w: (name) => w(`${named(name)}.weight`), bias, named, turns }, x)
  })
  const normed = g.apply(rmsNorm, 'output_norm', { x, gain: w('output_norm.weight') }, { eps: c.eps })
  const taken = g.apply(takeRows, 'output_rows', { x: normed, index }, {})
  const head = w(c.tied ? 'token_embd.weight' : 'output.weight')
  const { logits } = c.scales
  const products = g.apply(linear, logits === 1 ? 'logits' : 'logits_unscaled', { x: taken, w: head }, {})
  g.output(scaled(g, 'logits', products, logits))
}

/** factor · x; x itself where the factor is 1. */
export function scaled(g: GraphBuilder, name: string, x: Operand, factor: number): Operand {
  return factor === 1 ? x : g.apply(scale, name, { x }, { factor })
}

/** Projections, turns, causal attention over grouped heads, output projection. `adjust` may change q and k before the turn. */
export function selfAttention(
  { g, c, kind, w, named, turns }: BlockContext,
  h: Operand,
  adjust: (which: 'attn_q' | 'attn_k', heads: Operand) => Operand = (_, heads) => heads,
): Operand {
  const heads = (which: 'attn_q' | 'attn_k' | 'attn_v', count: number) => {
    const product = g.apply(linear, named(which), { x: h, w: w(which) }, {})
    return g.apply(reshape, named(`${which}_heads`), { x: product }, { heads: count })
  }
  const turned = (which: 'attn_q' | 'attn_k', count: number) => {
    const x = adjust(which, heads(which, count))
    if (!turns || kind.rope === 'none') return x
    return g.apply(rope, named(`${which}_rope`), { x, table: turns }, { style: c.ropes[kind.rope]!.style })
  }
  const q = turned('attn_q', c.heads)
  const k = turned('attn_k', c.kvHeads)
  const v = heads('attn_v', c.kvHeads)
  const window = kind.window > 0 ? { window: kind.window } : {}
  const mixed = g.apply(attention, named('attn'), { q, k, v }, { scale: c.scales.attention, ...window })
  const flat = g.apply(reshape, named('attn_flat'), { x: mixed }, { heads: 0 })
  return g.apply(linear, named('attn_output'), { x: flat, w: w('attn_output') }, {})
}

/** down(silu(gate(h)) · up(h)) */
export function gatedFeedForward({ g, w, named }: BlockContext, h: Operand): Operand {
  const gate = g.apply(linear, named('ffn_gate'), { x: h, w: w('ffn_gate') }, {})
  const up = g.apply(linear, named('ffn_up'), { x: h, w: w('ffn_up') }, {})
  const active = g.apply(silu, named('ffn_silu'), { x: gate }, {})
  const gated = g.apply(multiply, named('ffn_gated'), { x: active, z: up }, {})
  return g.apply(linear, named('ffn_down'), { x: gated, w: w('ffn_down') }, {})
}

/** x + attention(norm(x)), then + feedForward(norm(that)): the pre-norm block. */
export function preNormBlock(at: BlockContext, x: Operand, adjust?: Parameters<typeof selfAttention>[2]): Operand {
  return mixedBlock(at, x, (h) => selfAttention(at, h, adjust))
}

/** The pre-norm block with what `mix` makes of the normed stream in the place of attention. */
export function mixedBlock(at: BlockContext, x: Operand, mix: (h: Operand) => Operand): Operand {
  const { g, c, w, named } = at
  const h = g.apply(rmsNorm, named('attn_norm'), { x, gain: w('attn_norm') }, { eps: c.eps })
  const y = addTo(at, x, 'attn', mix(h))
  const m = g.apply(rmsNorm, named('ffn_norm'), { x: y, gain: w('ffn_norm') }, { eps: c.eps })
  return addTo(at, y, 'ffn', gatedFeedForward(at, m))
}

/** The stream x with what a part of the block adds to it. */
export function addTo({ g, c, named }: BlockContext, x: Operand, part: 'attn' | 'ffn', delta: Operand): Operand {
  const z = scaled(g, named(`${part}_scaled`), delta, c.scales.residual)
  return g.apply(add, named(`${part}_residual`), { x, z }, {})
}
