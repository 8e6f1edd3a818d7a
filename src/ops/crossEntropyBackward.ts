import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { crossEntropyGradient } from '../kernels/loss/loss.kernel.ts'
import { checkTargets, rowStates } from './crossEntropyRows.ts'
import { denseRow, lastAxis } from './shapes.ts'

/**
 * dlogits[r] = dloss · (softmax(logits[r]) - one at targets[r]) / total; 0 for a row whose target is -1. `total` [1, 1] as in
 * crossEntropy: without it, the number of targets that are not -1.
 */
export const crossEntropyBackward = defineOp({
  name: 'crossEntropyBackward',
  inputs: { logits: ['f32'], targets: ['i32'], total: ['f32'], dloss: ['f32'] },
  optional: ['total'],
  outputs: ['dlogits'],
  infer({ logits, targets, total, dloss }, _attributes: NoAttributes, refuse) {
    checkTargets({ logits, targets, total }, refuse)
    if (dloss.shape.join() !== '1,1') refuse(`dloss is [${dloss.shape}]; accepted: [1,1]`)
    return { dlogits: logits }
  },
  reference({ logits, targets, total, dloss }) {
    const { rows, cols } = rowsAndCols(logits)
    const counted = total?.data[0] ?? targets.data.filter((target) => target >= 0).length
    const dlogits = tensor(logits.shape)
    for (let r = 0; r < rows; r++) {
      const target = targets.data[r]!
      if (target < 0) continue
      const row = logits.data.subarray(r * cols, (r + 1) * cols)
      const largest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
      const whole = row.reduce((sum, value) => sum + Math.exp(value - largest), 0)
      row.forEach((value, c) => {
        const share = Math.exp(value - largest) / whole - (c === target ? 1 : 0)
        dlogits.data[r * cols + c] = (dloss.data[0]! * share) / counted
      })
    }
    return { dlogits }
  },
  lower({ logits, targets, total = null, dloss }, { dlogits }, _attributes, to) {
    const states = rowStates(logits, targets, to)
    const dims = { rows: logits.type.shape[0]!, cols: lastAxis(logits.type) }
    const strides = { logitsRow: to.stride(logits), dlogitsRow: to.stride(dlogits) }
    to.call(crossEntropyGradient, { ...dims, ...strides, logits, states, targets, total, dloss, dlogits })
  },
  tolerance: { relative: 8 },
  samples: (lanes) =>
    [2, 2 * lanes + 1].map((cols) => ({
      inputs: {
        logits: { dtype: 'f32', shape: [4, cols] },
        targets: { dtype: 'i32', shape: [4], values: [1, 0, -1, 1] },
        ...(cols === 2 ? {} : { total: { dtype: 'f32', shape: [1, 1], values: [6] } }),
        dloss: { dtype: 'f32', shape: [1, 1] },
      } as const,
      attributes: {},
    })),
  refusals: [
    {
      inputs: { logits: denseRow([4, 8]), targets: { dtype: 'i32', shape: [4] }, dloss: denseRow([4, 1]) },
      attributes: {},
      says: 'dloss is [4,1]; accepted: [1,1]',
    },
  ],
})
