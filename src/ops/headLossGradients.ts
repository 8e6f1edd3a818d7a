import { defineOp } from '../ir/op.ts'
import { constant } from './constant.ts'
import { crossEntropy } from './crossEntropy.ts'
import { crossEntropyBackward } from './crossEntropyBackward.ts'
import { checkHead, composeHead, headRefusals, headSamples } from './headLoss.ts'
import { callHeadLoss, type HeadAttributes } from './headLossCalls.ts'
import { matmul } from './matmul.ts'
import { scale } from './scale.ts'
import { denseRow } from './shapes.ts'
import { softCapBackward } from './softCapBackward.ts'

/**
 * headLoss with its gradients by x and w, made while the logits of some rows are there, so that none are made twice. dw begins
 * with sum, without it with 0.
 */
export const headLossGradients = defineOp({
  name: 'headLossGradients',
  inputs: { x: ['f32', 'bf16'], w: ['f32', 'bf16'], targets: ['i32'], total: ['f32'], sum: ['f32'] },
  optional: ['sum'],
  outputs: ['loss', 'dx', 'dw'],
  sums: { dw: 'sum' },
  infer(inputs, attributes: HeadAttributes, refuse) {
    checkHead(inputs, attributes, refuse)
    const { x, w, sum } = inputs
    if (sum && sum.shape.join() !== w.shape.join()) refuse(`sum is [${sum.shape}]; accepted: [${w.shape}]`)
    return { loss: { dtype: 'f32', shape: [1, 1] }, dx: denseRow(x.shape), dw: denseRow(w.shape) }
  },
  decompose(g, operands, attributes) {
    const { x, w, targets, total, sum } = operands
    const { factor, softCap: cap } = attributes
    const logits = composeHead(g, operands, attributes)
    const loss = g.apply(crossEntropy, 'loss', { logits, targets, total }, {})
    const dloss = g.apply(constant, 'dloss', {}, { value: 1 })
    const dlogits = g.apply(crossEntropyBackward, 'dlogits', { logits, targets, total, dloss }, {})
    const dscaled = cap === 0 ? dlogits : g.apply(softCapBackward, 'dscaled', { y: logits, dy: dlogits }, { cap })
    const dproduct = factor === 1 ? dscaled : g.apply(scale, 'dproduct', { x: dscaled }, { factor })
    return {
      loss,
      dx: g.apply(matmul, 'dx', { a: dproduct, b: w }, { transposeA: false, transposeB: false }),
      dw: g.apply(
        matmul,
        'dw',
        { a: dproduct, b: x, ...(sum ? { sum } : {}) },
        { transposeA: true, transposeB: false },
      ),
    }
  },
  lower(operands, { loss, dx, dw }, attributes, to) {
    const { sum = null } = operands
    callHeadLoss(to, operands, { loss, gradients: { dx, dw, sum } }, attributes)
  },
  tolerance: { relative: 64 },
  samples: (lanes) =>
    headSamples(lanes).map((sample, at) =>
      at % 2 === 0 ? sample : { ...sample, inputs: { ...sample.inputs, sum: { ...sample.inputs.w!, dtype: 'f32' } } },
    ),
  refusals: headRefusals,
})
