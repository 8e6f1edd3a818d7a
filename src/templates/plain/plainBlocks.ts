import type { GraphBuilder } from '../../ir/build.ts'
import type { Operand } from '../../ir/op.ts'
import { add } from '../../ops/add.ts'
import { attention } from '../../ops/attention.ts'
import { gelu } from '../../ops/gelu.ts'
import { layerNorm } from '../../ops/layerNorm.ts'
import { linear } from '../../ops/linear.ts'
import { relu } from '../../ops/relu.ts'
import { reshape } from '../../ops/reshape.ts'
import { silu } from '../../ops/silu.ts'
import { slice } from '../../ops/slice.ts'
import { takeRows } from '../../ops/takeRows.ts'
import type { PlainConfig } from './plainConfig.ts'

/** Where the parts of a graph that belong to a prefix (`blk.3.`, or none) are built. */
export interface PlainBlock {
  readonly g: GraphBuilder
  readonly c: PlainConfig
  /** A weight by its name after the prefix (`attn_q.bias`). */
  readonly w: (name: string) => Operand
  /** The name of a value after the prefix. */
  readonly named: (name: string) => string
}

/** The block of this prefix. */
export function plainBlock(g: GraphBuilder, c: PlainConfig, w: PlainBlock['w'], prefix: string): PlainBlock {
  return { g, c, w: (name) => w(prefix + name), named: (name) => prefix + name }
}

/** LayerNorm with the weights `name`. */
export function norm({ g, c, w, named }: PlainBlock, name: string, x: Operand): Operand {
  return g.apply(layerNorm, named(name), { x, gain: w(`${name}.weight`), bias: w(`${name}.bias`) }, { eps: c.eps })
}

/** The product with the weights `name`. */
export function product({ g, c, w, named }: PlainBlock, name: string, x: Operand): Operand {
  const bias = c.hasBias ? { bias: w(`${name}.bias`) } : {}
  return g.apply(linear, named(name), { x, w: w(`${name}.weight`), ...bias }, {})
}

/** Queries, keys and values [tokens, heads, headDim]. */
export interface Projected {
  readonly q: Operand
  readonly k: Operand
  readonly v: Operand
}

/** A product of its own for each of q, k and v. */
export function projectApart(at: PlainBlock, h: Operand): Projected {
  const heads = (name: string, count: number) =>
    at.g.apply(reshape, at.named(`${name}_heads`), { x: product(at, name, h) }, { heads: count })
  const { c } = at
  return { q: heads('attn_q', c.heads), k: heads('attn_k', c.kvHeads), v: heads('attn_v', c.kvHeads) }
}

/** One product for q, k and v, whose weights stand one below the other. */
export function projectTogether(at: PlainBlock, h: Operand): Projected {
  const { g, c, named } = at
  const all = product(at, 'attn_qkv', h)
  const part = (name: string, first: number, count: number) => {
    const columns = { from: first * c.headDim, cols: count * c.headDim }
    return g.apply(
      reshape,
      named(`${name}_heads`),
      { x: g.apply(slice, named(name), { x: all }, columns) },
      { heads: count },
    )
  }
  return {
    q: part('attn_q', 0, c.heads),
    k: part('attn_k', c.heads, c.kvHeads),
    v: part('attn_v', c.heads + c.kvHeads, c.kvHeads),
  }
}

/** Attention over grouped heads and the product behind it. */
export function attend(
  at: PlainBlock,
  { q, k, v }: Projected,
  attributes: { readonly scale: number; readonly window?: number; readonly causal?: boolean },
): Operand {
  const mixed = at.g.apply(attention, at.named('attn'), { q, k, v }, attributes)
  return product(at, 'attn_output', at.g.apply(reshape, at.named('attn_flat'), { x: mixed }, { heads: 0 }))
}

/** down(activation(up(h))) */
export function feedForward(at: PlainBlock, h: Operand): Operand {
  return product(at, 'ffn_down', activate(at, 'ffn_active', product(at, 'ffn_up', h)))
}

/** The config's activation of x. */
export function activate({ g, c, named }: PlainBlock, name: string, x: Operand): Operand {
  switch (c.activation) {
    case 'silu':
      return g.apply(silu, named(name), { x }, {})
    case 'relu':
      return g.apply(relu, named(name), { x }, {})
    case 'gelu_tanh':
      return g.apply(gelu, named(name), { x }, { kind: 'tanh' })
    case 'gelu_erf':
      return g.apply(gelu, named(name), { x }, { kind: 'erf' })
    default:
      return c.activation satisfies never
  }
}

/** The inputs of every decoder. */
export function decoderInputs(g: GraphBuilder): { ids: Operand; positions: Operand; index: Operand } {
  return {
    ids: g.input('ids', { dtype: 'i32', shape: ['tokens'] }),
    positions: g.input('positions', { dtype: 'i32', shape: ['tokens'] }),
    index: g.input('output_index', { dtype: 'i32', shape: ['outputs'] }),
  }
}

/** The end of a pre-norm block: x + attended, then + feedForward(norm(that)). */
export function addParts(at: PlainBlock, x: Operand, attended: Operand): Operand {
  const y = at.g.apply(add, at.named('attn_residual'), { x, z: attended }, {})
  return at.g.apply(add, at.named('ffn_residual'), { x: y, z: feedForward(at, norm(at, 'ffn_norm', y)) }, {})
}

/** norm → head, for the rows that are asked for. */
export function outputs(at: PlainBlock, x: Operand, index: Operand, tied: boolean): void {
  const { g, w } = at
  const rows = g.apply(takeRows, 'output_rows', { x: norm(at, 'output_norm', x), index }, {})
  g.output(g.apply(linear, 'logits', { x: rows, w: w(tied ? 'token_embd.weight' : 'output.weight') }, {}))
}
