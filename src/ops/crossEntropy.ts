import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { crossEntropyMeanForward } from '../kernels/loss/loss.kernel.ts'
import { crossEntropyBackward } from './crossEntropyBackward.ts'
import { checkTargets, rowStates } from './crossEntropyRows.ts'
import { denseRow } from './shapes.ts'

/**
 * loss [1, 1] = Σ (ln Σ e^logits[r] - logits[r, targets[r]]) / total over the rows r of logits [rows, vocabulary] whose target
 * is not -1, in nats. `total` [1, 1] is the number of rows that count, of which these may be a part; without it, they are all.
 * 0 where no row counts.
 */
export const crossEntropy = defineOp({
  name: 'crossEntropy',
  inputs: { logits: ['f32'], targets: ['i32'], total: ['f32'] },
  optional: ['total'],
  constants: ['total'],
  outputs: ['loss'],
  infer(inputs, _attributes: NoAttributes, refuse) {
    checkTargets(inputs, refuse)
    return { loss: { dtype: 'f32', shape: [1, 1] } }
  },
  reference({ logits, targets, total: given }) {
    const { rows, cols } = rowsAndCols(logits)
    let sum = 0
    let counted = 0
    for (let r = 0; r < rows; r++) {
      const target = targets.data[r]!
      if (target < 0) continue
      const row = logits.data.subarray(r * cols, (r + 1) * cols)
      const largest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
      sum += largest + Math.log(row.reduce((total, value) => total + Math.exp(value - largest), 0)) - row[target]!
      counted++
    }
    const total = given?.data[0] ?? counted
    return { loss: tensor([1, 1], [total > 0 ? sum / total : 0]) }
  },
  vjp(inputs, _outputs, { loss: dloss }, attributes, g) {
    return { logits: g.apply(crossEntropyBackward, 'logits', { ...inputs, dloss }, attributes) }
  },
  lower({ logits, targets, total = null }, { loss }, _attributes, to) {
    const states = rowStates(logits, targets, to)
    to.call(crossEntropyMeanForward, { rows: logits.type.shape[0]!, states, targets, total, loss })
  },
  tolerance: { relative: 8 },
  samples: (lanes) =>
    [2, lanes - 1, 2 * lanes + 1].flatMap((cols) =>
      [
        [1, 0, -1, 1],
        [-1, -1, -1, -1],
      ].map((values) => ({
        inputs: {
          logits: { dtype: 'f32', shape: [4, cols] },
          targets: { dtype: 'i32', shape: [4], values },
          ...(cols === 2 ? {} : { total: { dtype: 'f32', shape: [1, 1], values: [6] } }),
        } as const,
        attributes: {},
      })),
    ),
  refusals: [
    {
      inputs: { logits: denseRow([4, 8]), targets: { dtype: 'i32', shape: [5] } },
      attributes: {},
      says: 'targets is [5]; accepted: [4], one for each row of logits',
    },
    {
      inputs: { logits: denseRow([4, 8]), targets: { dtype: 'i32', shape: [4] }, total: denseRow([1]) },
      attributes: {},
      says: 'total is [1]; accepted: [1,1]',
    },
  ],
})
