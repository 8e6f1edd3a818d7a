import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { refuseLowering } from './missingKernel.ts'
import { denseRow } from './shapes.ts'

/** dlogits[r] = dloss · (softmax(logits[r]) - one at targets[r]) / counted rows; 0 for a row whose target is -1. */
export const crossEntropyBackward = defineOp({
  name: 'crossEntropyBackward',
  inputs: { logits: ['f32'], targets: ['i32'], total: ['f32'], dloss: ['f32'] },
  optional: ['total'],
  outputs: ['dlogits'],
  infer({ logits, targets, dloss }, _attributes: NoAttributes, refuse) {
    if (logits.shape.length !== 2 || targets.shape.join() !== String(logits.shape[0]))
      refuse(`logits is [${logits.shape}] and targets is [${targets.shape}]; accepted: [rows, vocabulary] and [rows]`)
    if (dloss.shape.join() !== '1,1') refuse(`dloss is [${dloss.shape}]; accepted: [1,1]`)
    return { dlogits: logits }
  },
  reference({ logits, targets, total: given, dloss }) {
    const { rows, cols } = rowsAndCols(logits)
    const counted = given ? given.data[0]! : targets.data.filter((target) => target >= 0).length
    const dlogits = tensor(logits.shape)
    for (let r = 0; r < rows; r++) {
      const target = targets.data[r]!
      if (target < 0) continue
      const row = logits.data.subarray(r * cols, (r + 1) * cols)
      const largest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
      const total = row.reduce((sum, value) => sum + Math.exp(value - largest), 0)
      row.forEach((value, c) => {
        const share = Math.exp(value - largest) / total - (c === target ? 1 : 0)
        dlogits.data[r * cols + c] = (dloss.data[0]! * share) / counted
      })
    }
    return { dlogits }
  },
  lower({ logits }) {
    refuseLowering(logits, 'the gradient of cross-entropy')
  },
  tolerance: { relative: 8 },
  samples: (lanes) =>
    [2, 2 * lanes + 1].map((cols) => ({
      inputs: {
        logits: { dtype: 'f32', shape: [4, cols] },
        targets: { dtype: 'i32', shape: [4], values: [1, 0, -1, 1] },
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
