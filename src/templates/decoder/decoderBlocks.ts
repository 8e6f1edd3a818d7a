import type { GraphBuilder } from '../../ir/build.ts'
import type { Operand } from '../../ir/op.ts'
import { add } from '../../ops/add.ts'
import { attention } from '../../ops/attention.ts'
import { embedding } from '../../ops/embedding.ts'
import { gelu } from '../../ops/gelu.ts'
import { linear } from '../../ops/linear.ts'
import { multiply } from '../../ops/multiply.ts'
import { relu } from '../../ops/relu.ts'
import { reshape } from '../../ops/reshape.ts'
import { rmsNorm } from '../../ops/rmsNorm.ts'
import { rope } from '../../ops/rope.ts'
import { scale } from '../../ops/scale.ts'
import { silu } from '../../ops/silu.ts'
import { slice } from '../../ops/slice.ts'
import { softCap } from '../../ops/softCap.ts'
import { takeRows } from '../../ops/takeRows.ts'
import { ropeTables } from '../rope/ropeTables.ts'
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
  const tables = ropeTables(g, c.ropes, w, positions)
  const padding = c.padding === undefined ? {} : { padding: c.padding }
  const rows = g.apply(embedding, 'token_embd', { ids, table: w('token_embd.weight') }, padding)
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
  const { scales, softCaps } = c
  const isLast = scales.logits === 1 && softCaps.logits === 0
  const products = g.apply(linear, isLast ? 'logits' : 'logits_plain', { x: taken, w: head }, {})
  const uncapped = scaled(g, softCaps.logits > 0 ? 'logits_scaled' : 'logits', products, scales.logits)
  g.output(softCaps.logits > 0 ? g.apply(softCap, 'logits', { x: uncapped }, { cap: softCaps.logits }) : uncapped)
}

/** factor · x; x itself where the factor is 1. */
export function scaled(g: GraphBuilder, name: string, x: Operand, factor: number): Operand {
  return factor === 1 ? x : g.apply(scale, name, { x }, { factor })
}

/** w · x, and the bias that the config knows of. */
export function project({ g, c, w, bias, named }: BlockContext, product: string, x: Operand, name = product): Operand {
  const inputs = { x, w: w(product), ...(c.biases.includes(product) ? { bias: bias(product) } : {}) }
  return g.apply(linear, named(name), inputs, {})
}

/** Queries, keys and values of x: each by its own weight, or slices of one product. */
function projectHeads(at: BlockContext, widths: Readonly<Record<string, number>>, x: Operand): Operand[] {
  const { g, c, named } = at
  const parts = Object.entries(widths)
  if (!c.fused.includes('attn_qkv')) return parts.map(([name]) => project(at, name, x))
  const product = project(at, 'attn_qkv', x, parts.map(([name]) => name).join('+'))
  let from = 0
  return parts.map(([name, cols]) => {
    from += cols
    return g.apply(slice, named(name), { x: product }, { from: from - cols, cols })
  })
}

/** Projections, turns, causal attention over grouped heads, output projection. `adjust` may change q and k before the turn. */
export function selfAttention(
  at: BlockContext,
  h: Operand,
  adjust: (which: 'attn_q' | 'attn_k', heads: Operand) => Operand = (_, heads) => heads,
): Operand {
  const { g, c, kind, named, turns } = at
  const [queryCols, keyCols] = [c.heads * c.headDim, c.kvHeads * c.headDim]
  const widths = { attn_q: queryCols, attn_k: keyCols, attn_v: keyCols }
  const [queries, keys, values] = projectHeads(at, widths, h) as [Operand, Operand, Operand]
  const heads = (which: string, x: Operand, count: number) =>
    g.apply(reshape, named(`${which}_heads`), { x }, { heads: count })
  const turned = (which: 'attn_q' | 'attn_k', x: Operand) => {
    if (!turns || kind.rope === 'none') return x
    return g.apply(rope, named(`${which}_rope`), { x, table: turns }, { style: c.ropes[kind.rope]!.style })
  }
  // Both are adjusted before either turns: where a norm reads all heads, threads then meet once for both.
  const adjusted = [
    adjust('attn_q', heads('attn_q', queries, c.heads)),
    adjust('attn_k', heads('attn_k', keys, c.kvHeads)),
  ] as const
  const [q, k] = [turned('attn_q', adjusted[0]), turned('attn_k', adjusted[1])]
  const v = heads('attn_v', values, c.kvHeads)
  const window = kind.window > 0 ? { window: kind.window } : {}
  const cap = c.softCaps.attention > 0 ? { softCap: c.softCaps.attention } : {}
  const mixed = g.apply(attention, named('attn'), { q, k, v }, { scale: c.scales.attention, ...window, ...cap })
  const flat = g.apply(reshape, named('attn_flat'), { x: mixed }, { heads: 0 })
  return project(at, 'attn_output', flat)
}

/** down(activation(gate(h)) · up(h)) */
export function gatedFeedForward(at: BlockContext, h: Operand): Operand {
  const { g, named } = at
  const gate = project(at, 'ffn_gate', h)
  const up = project(at, 'ffn_up', h)
  const active = activate(at, gate)
  const gated = g.apply(multiply, named('ffn_gated'), { x: active, z: up }, {})
  return project(at, 'ffn_down', gated)
}

function activate({ g, c, named }: BlockContext, x: Operand): Operand {
  switch (c.activation) {
    case 'silu':
      return g.apply(silu, named('ffn_silu'), { x }, {})
    case 'relu':
      return g.apply(relu, named('ffn_relu'), { x }, {})
    default:
      return g.apply(gelu, named('ffn_gelu'), { x }, { kind: c.activation === 'gelu_tanh' ? 'tanh' : 'erf' })
  }
}

/** Where norms stand: before attention and feed-forward, behind them, on what they add to the stream, or both. */
export type NormPlaces = 'before' | 'behind' | 'around'

/** x + attention, then + feed-forward, with norms at these places. `adjust` may change q and k before the turn. */
export function residualBlock(
  at: BlockContext,
  x: Operand,
  places: NormPlaces,
  adjust?: Parameters<typeof selfAttention>[2],
): Operand {
  return mixedBlock(at, x, places, (h) => selfAttention(at, h, adjust))
}

/** The same with what `mix` makes of the stream in the place of attention. */
export function mixedBlock(at: BlockContext, x: Operand, places: NormPlaces, mix: (h: Operand) => Operand): Operand {
  const { g, c, w, named } = at
  const norm = (name: string, z: Operand) => g.apply(rmsNorm, named(name), { x: z, gain: w(name) }, { eps: c.eps })
  const before = (name: string, z: Operand) => (places === 'behind' ? z : norm(name, z))
  const behind = (name: string, z: Operand) => (places === 'before' ? z : norm(name, z))
  const mixed = mix(before('attn_norm', x))
  const y = addTo(at, x, 'attn', behind('post_attention_norm', mixed))
  const fed = gatedFeedForward(at, before('ffn_norm', y))
  return addTo(at, y, 'ffn', behind('post_ffw_norm', fed))
}

/** x + attention(norm(x)), then + feedForward(norm(that)): the pre-norm block. */
export function preNormBlock(at: BlockContext, x: Operand, adjust?: Parameters<typeof selfAttention>[2]): Operand {
  return residualBlock(at, x, 'before', adjust)
}

/** The stream x with what a part of the block adds to it. */
export function addTo({ g, c, named }: BlockContext, x: Operand, part: 'attn' | 'ffn', delta: Operand): Operand {
  const z = scaled(g, named(`${part}_scaled`), delta, c.scales.residual)
  return g.apply(add, named(`${part}_residual`), { x, z }, {})
}
