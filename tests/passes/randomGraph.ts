import { GraphBuilder } from '../../src/ir/build.ts'
import { type Dim, type Graph, printType } from '../../src/ir/graph.ts'
import type { Operand } from '../../src/ir/op.ts'
import { add } from '../../src/ops/add.ts'
import { attention } from '../../src/ops/attention.ts'
import { causalConvolution } from '../../src/ops/causalConvolution.ts'
import { decayGate } from '../../src/ops/decayGate.ts'
import { deltaRule } from '../../src/ops/deltaRule.ts'
import { embedding } from '../../src/ops/embedding.ts'
import { gelu } from '../../src/ops/gelu.ts'
import { glu } from '../../src/ops/glu.ts'
import { l2Norm } from '../../src/ops/l2Norm.ts'
import { layerNorm } from '../../src/ops/layerNorm.ts'
import { linear } from '../../src/ops/linear.ts'
import { multiply } from '../../src/ops/multiply.ts'
import { reshape } from '../../src/ops/reshape.ts'
import { rmsNorm } from '../../src/ops/rmsNorm.ts'
import { type RopeStyle, rope } from '../../src/ops/rope.ts'
import { ropeTable } from '../../src/ops/ropeTable.ts'
import { sigmoid } from '../../src/ops/sigmoid.ts'
import { silu } from '../../src/ops/silu.ts'
import { slice } from '../../src/ops/slice.ts'
import { softmax } from '../../src/ops/softmax.ts'
import { takeRows } from '../../src/ops/takeRows.ts'
import { type Random, seededRandom } from '../conformance/random.ts'

const width = 32
const heads = 4
const vocabulary = 19
const weightTypes = ['f32', 'f32', 'f16', 'bf16', 'q8_0'] as const

/**
 * A small graph: `layers` blocks of the same `count` random ops over [tokens, 32] and [tokens, 4, 8], with weights used once
 * or more, values read by none, one or many, and one to three outputs. Equal arguments give equal graphs.
 */
export function randomGraph(seed: number, { count = 14, layers = 1 } = {}): Graph {
  const g = new GraphBuilder(`random ${seed}`)
  const ids = g.input('ids', { dtype: 'i32', shape: ['tokens'] })
  const positions = g.input('positions', { dtype: 'i32', shape: ['tokens'] })
  const index = g.input('output_index', { dtype: 'i32', shape: ['outputs'] })
  const table = g.apply(ropeTable, 'turns', { positions }, { pairs: 4, theta: 100, scale: 1 })
  const embd = g.weight('token_embd.weight', { dtype: 'f32', shape: [vocabulary, width] })
  let flat: readonly Operand[] = [g.apply(embedding, 'token_embd', { ids, table: embd }, {})]
  for (let layer = 0; layer < layers; layer++)
    flat = randomBlock(g, layer, seededRandom(seed), count, flat.at(-1)!, table)
  const random = seededRandom(seed + 7)
  for (let at = 0; at <= random.whole(3); at++) {
    const x = at === 0 ? flat.at(-1)! : flat[random.whole(flat.length)]!
    g.output(g.apply(takeRows, `output_${at}`, { x, index }, {}))
  }
  return g.finish()
}

/** Adds `count` ops and gives the flat values, those that later ops read most last. */
function randomBlock(
  g: GraphBuilder,
  layer: number,
  random: Random,
  count: number,
  x: Operand,
  table: Operand,
): readonly Operand[] {
  const pick = <T>(list: readonly T[]): T => list[random.whole(list.length)]!
  const flat: Operand[] = [x]
  const split: Operand[] = []
  const weights: Operand[] = []
  const gain = (cols: number) => g.weight(`blk.${layer}.gain_${cols}.weight`, { dtype: 'f32', shape: [cols] })
  const bias = (name: string) => g.weight(`${name}.bias`, { dtype: 'f32', shape: [width] })
  const matrix = () => {
    if (weights.length > 0 && random.whole(5) === 0) return pick(weights)
    const name = `blk.${layer}.w_${weights.length}.weight`
    weights.push(g.weight(name, { dtype: pick(weightTypes), shape: [width, width] }))
    return weights.at(-1)!
  }
  // Recent values are read most, so that chains arise in which passes find something.
  const recent = (list: readonly Operand[]) =>
    random.whole(3) === 0 ? pick(list) : list.at(-1 - random.whole(Math.min(3, list.length)))!
  const makers: readonly (readonly [Operand[], (name: string) => Operand])[] = [
    [flat, (name) => g.apply(linear, name, { x: recent(flat), w: matrix() }, {})],
    [flat, (name) => g.apply(linear, name, { x: flat[0]!, w: matrix() }, {})],
    [flat, (name) => g.apply(linear, name, { x: flat[0]!, w: matrix(), bias: bias(name) }, {})],
    [flat, (name) => g.apply(add, name, { x: recent(flat), z: recent(flat) }, {})],
    [flat, (name) => g.apply(multiply, name, { x: recent(flat), z: recent(flat) }, {})],
    [flat, (name) => g.apply(silu, name, { x: recent(flat) }, {})],
    [flat, (name) => g.apply(glu, name, { gate: recent(flat), up: recent(flat) }, { activation: 'gelu_erf' })],
    [flat, (name) => g.apply(rmsNorm, name, { x: recent(flat), gain: gain(width) }, { eps: 0.01 })],
    [flat, (name) => g.apply(gelu, name, { x: recent(flat) }, { kind: 'tanh' })],
    [flat, (name) => g.apply(layerNorm, name, { x: recent(flat), gain: gain(width), bias: bias(name) }, { eps: 0.01 })],
    [flat, (name) => g.apply(softmax, name, { x: recent(flat) }, {})],
    [flat, (name) => gated(g, name, recent(flat), matrix, random.whole(2) === 0)],
    [flat, (name) => attended(g, name, recent(flat), table, random)],
    [flat, (name) => remembered(g, name, recent(flat))],
    [split, (name) => g.apply(reshape, name, { x: recent(flat) }, { heads })],
  ]
  const perHead: typeof makers = [
    [split, (name) => g.apply(rmsNorm, name, { x: recent(split), gain: gain(width / heads) }, { eps: 0.01 })],
    [
      split,
      (name) => g.apply(rope, name, { x: recent(split), table }, { style: pick<RopeStyle>(['split', 'pairwise']) }),
    ],
    [split, (name) => g.apply(add, name, { x: recent(split), z: recent(split) }, {})],
    [split, (name) => g.apply(attention, name, { q: pick(split), k: pick(split), v: pick(split) }, { scale: 0.4 })],
    [flat, (name) => g.apply(reshape, name, { x: recent(split) }, { heads: 0 })],
  ]
  for (let at = 0; at < count; at++) {
    const [list, make] = pick(split.length > 0 ? [...makers, ...perHead] : makers)
    list.push(make(`blk.${layer}.v_${at}`))
  }
  // The norm keeps magnitudes from growing layer by layer.
  flat.push(g.apply(rmsNorm, `blk.${layer}.out`, { x: recent(flat), gain: gain(width) }, { eps: 0.01 }))
  return flat
}

/** activation(x · gateᵀ) · (x · upᵀ), as templates write it. */
function gated(g: GraphBuilder, name: string, x: Operand, matrix: () => Operand, isGelu: boolean): Operand {
  const gate = g.apply(linear, `${name}_gate`, { x, w: matrix() }, {})
  const up = g.apply(linear, `${name}_up`, { x, w: matrix() }, {})
  const active = isGelu
    ? g.apply(gelu, `${name}_gelu`, { x: gate }, { kind: 'erf' })
    : g.apply(silu, `${name}_silu`, { x: gate }, {})
  return g.apply(multiply, name, { x: active, z: up }, {})
}

/** A delta rule over the parts of one value behind a convolution. */
function remembered(g: GraphBuilder, name: string, x: Operand): Operand {
  const vector = (which: string) => g.weight(`${name}.${which}`, { dtype: 'f32', shape: [heads] })
  const w = g.weight(`${name}.taps`, { dtype: 'f32', shape: [width, 3] })
  const turned = g.apply(causalConvolution, `${name}_turned`, { x, w }, { activation: 'silu' })
  const part = (which: string, from: number, cols: number) =>
    g.apply(slice, `${name}_${which}`, { x: turned }, { from, cols })
  const unit = (which: string, from: number) => {
    const split = g.apply(reshape, `${name}_${which}_heads`, { x: part(which, from, 10) }, { heads: 2 })
    return g.apply(l2Norm, `${name}_${which}_unit`, { x: split }, { eps: 0.01 })
  }
  const gates = { rate: vector('rate'), bias: vector('bias') }
  const decay = g.apply(decayGate, `${name}_decay`, { x: part('alpha', 3, heads), ...gates }, {})
  const beta = g.apply(sigmoid, `${name}_beta`, { x: part('open', 9, heads) }, {})
  const v = g.apply(reshape, `${name}_v`, { x: turned }, { heads })
  const inputs = { q: unit('q', 0), k: unit('k', 16), v, decay, beta }
  const y = g.apply(deltaRule, `${name}_rule`, inputs, { scale: 0.5, order: 'tiled' })
  const flat = g.apply(reshape, `${name}_flat`, { x: y }, { heads: 0 })
  // So that chains of small values do not end in zeros.
  return g.apply(add, name, { x: flat, z: g.apply(sigmoid, `${name}_sum`, { x }, {}) }, {})
}

/** Attention over parts of one value, turned or not. */
function attended(g: GraphBuilder, name: string, x: Operand, table: Operand, random: Random): Operand {
  const wide = g.apply(reshape, `${name}_q`, { x }, { heads })
  const part = (which: string) => {
    const cols = g.apply(slice, `${name}_${which}_part`, { x }, { from: 8 * random.whole(3), cols: 16 })
    return g.apply(reshape, `${name}_${which}`, { x: cols }, { heads: 2 })
  }
  const q = g.apply(rope, `${name}_turned`, { x: wide, table }, { style: 'split' })
  const mixed = g.apply(attention, `${name}_mixed`, { q, k: part('k'), v: part('v') }, { scale: 0.5 })
  return g.apply(reshape, name, { x: mixed }, { heads: 0 })
}

/** A shape with its symbols bound. */
export function bindShape(shape: readonly Dim[], symbols: { readonly [symbol: string]: number }): number[] {
  return shape.map((dim) => {
    const size = typeof dim === 'string' ? symbols[dim] : dim
    if (size === undefined) throw new Error(`no size for ${printType({ dtype: 'f32', shape })}`)
    return size
  })
}
