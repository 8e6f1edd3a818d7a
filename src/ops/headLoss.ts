import type { TensorType } from '../ir/graph.ts'
import { type Composer, defineOp, type Operand, type Sample } from '../ir/op.ts'
import { crossEntropy } from './crossEntropy.ts'
import { checkTargets } from './crossEntropyRows.ts'
import { callHeadLoss, type HeadAttributes, type HeadOperands } from './headLossCalls.ts'
import { matmul } from './matmul.ts'
import { scale } from './scale.ts'
import { axis, denseRow, lastAxis } from './shapes.ts'
import { softCap } from './softCap.ts'

/** Refuses rows, weights and targets that do not fit each other. */
export function checkHead(
  { x, w, targets, total }: HeadOperands<TensorType>,
  { factor, softCap: cap }: HeadAttributes,
  refuse: (what: string) => never,
): void {
  if (x.shape.length !== 2 || w.shape.length !== 2 || lastAxis(x) !== lastAxis(w))
    refuse(`x is [${x.shape}] and w is [${w.shape}]; accepted: [rows, cols] and [vocabulary, cols]`)
  if (typeof x.shape[0] !== 'number') refuse(`x has ${x.shape[0]} rows; accepted: a number`)
  checkTargets({ logits: { dtype: 'f32', shape: [x.shape[0]!, axis(w, 0)] }, targets, total }, refuse)
  if (!Number.isFinite(factor)) refuse(`factor is ${factor}; accepted: a finite number`)
  if (!(cap >= 0 && Number.isFinite(cap))) refuse(`softCap is ${cap}; accepted: 0 (none) or a number above 0`)
}

/** The logits of a head. */
export function composeHead(
  g: Composer,
  { x, w }: HeadOperands<Operand>,
  { factor, softCap: cap }: HeadAttributes,
): Operand {
  const product = g.apply(matmul, 'product', { a: x, b: w }, { transposeA: false, transposeB: true })
  const scaled = factor === 1 ? product : g.apply(scale, 'scaled', { x: product }, { factor })
  return cap === 0 ? scaled : g.apply(softCap, 'capped', { x: scaled }, { cap })
}

/** Cases of a head for every kind of attributes: one row, and more rows than one piece has. */
export function headSamples(lanes: number): readonly Sample<'x' | 'w' | 'targets' | 'total', HeadAttributes>[] {
  const kinds = [
    { factor: 1, softCap: 0 },
    { factor: 0.3, softCap: 0 },
    { factor: 1, softCap: 2 },
    { factor: 0.5, softCap: 1.5 },
  ]
  return kinds.map((attributes, at) => {
    const [rows, vocabulary, cols] = [1 + 50 * at, 2 * lanes + 1, lanes - 1]
    return {
      inputs: {
        x: { dtype: at % 2 ? 'bf16' : 'f32', shape: [rows, cols] },
        w: { dtype: at > 1 ? 'bf16' : 'f32', shape: [vocabulary, cols] },
        targets: { dtype: 'i32', shape: [rows], values: Array.from({ length: rows }, (_, i) => (i % vocabulary) - 1) },
        total: { dtype: 'f32', shape: [1, 1], values: [2 * rows] },
      },
      attributes,
    }
  })
}

/** Refusals of both ops of heads. */
export const headRefusals = [
  {
    inputs: {
      x: denseRow([4, 8]),
      w: denseRow([9, 7]),
      targets: { dtype: 'i32', shape: [4] },
      total: denseRow([1, 1]),
    },
    attributes: { factor: 1, softCap: 0 },
    says: 'x is [4,8] and w is [9,7]',
  },
  {
    inputs: {
      x: denseRow([4, 8]),
      w: denseRow([9, 8]),
      targets: { dtype: 'i32', shape: [4] },
      total: denseRow([1, 1]),
    },
    attributes: { factor: 1, softCap: -1 },
    says: 'softCap is -1',
  },
] as const

/**
 * The cross-entropy of softCap(factor · x · wᵀ) with the targets, whose logits are never there as a whole: they are made, and
 * left, for some rows at a time.
 */
export const headLoss = defineOp({
  name: 'headLoss',
  inputs: { x: ['f32', 'bf16'], w: ['f32', 'bf16'], targets: ['i32'], total: ['f32'] },
  outputs: ['loss'],
  infer(inputs, attributes: HeadAttributes, refuse) {
    checkHead(inputs, attributes, refuse)
    return { loss: { dtype: 'f32', shape: [1, 1] } }
  },
  decompose(g, operands, attributes) {
    const { targets, total } = operands
    return { loss: g.apply(crossEntropy, 'loss', { logits: composeHead(g, operands, attributes), targets, total }, {}) }
  },
  lower(operands, { loss }, attributes, to) {
    callHeadLoss(to, operands, { loss }, attributes)
  },
  tolerance: { relative: 64 },
  samples: headSamples,
  refusals: headRefusals,
})
