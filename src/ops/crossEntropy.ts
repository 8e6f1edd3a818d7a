import type { NoAttributes, TensorType } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { crossEntropyBackward } from './crossEntropyBackward.ts'
import { refuseLowering } from './missingKernel.ts'
import { denseRow } from './shapes.ts'

/**
 * loss [1, 1] = mean of ln Σ e^logits[r] - logits[r, targets[r]] over the rows r of logits [rows, vocabulary] whose target is
 * not -1; 0 where no row counts. In nats.
 */
export const crossEntropy = defineOp({
  name: 'crossEntropy',
  inputs: { logits: ['f32'], targets: ['i32'], total: ['f32'] },
  optional: ['total'],
  constants: ['total'],
  outputs: ['loss'],
  infer({ logits, targets, total }, _attributes: NoAttributes, refuse) {
    checkTargets(logits, targets, refuse)
    if (total && total.shape.join() !== '1,1') refuse(`total is [${total.shape}]; accepted: [1,1]`)
    return { loss: { dtype: 'f32', shape: [1, 1] } }
  },
  reference({ logits, targets, total }) {
    const { rows, cols } = rowsAndCols(logits)
    let sum = 0
    let counted = 0
    for (let r = 0; r < rows; r++) {
      const target = targets.data[r]!
      if (target < 0) continue
      const row = logits.data.subarray(r * cols, (r + 1) * cols)
      const largest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
      sum += largest + Math.log(row.reduce((part, value) => part + Math.exp(value - largest), 0)) - row[target]!
      counted++
    }
    const divisor = total ? total.data[0]! : counted
    return { loss: tensor([1, 1], [divisor > 0 ? sum / divisor : 0]) }
  },
  vjp({ logits, targets, total }, _outputs, { loss: dloss }, attributes, g) {
    const inputs = { logits, targets, ...(total ? { total } : {}), dloss }
    return { logits: g.apply(crossEntropyBackward, 'logits', inputs, attributes) }
  },
  lower({ logits }) {
    refuseLowering(logits, 'cross-entropy')
  },
  tolerance: { relative: 8 },
  samples: (lanes) =>
    [2, lanes - 1, 2 * lanes + 1].flatMap((cols) =>
      [
        [1, 0, -1, 1],
        [-1, -1, -1, -1],
      ].map((values) => ({
        inputs: { logits: { dtype: 'f32', shape: [4, cols] }, targets: { dtype: 'i32', shape: [4], values } } as const,
        attributes: {},
      })),
    ),
  refusals: [
    {
      inputs: { logits: denseRow([4, 8]), targets: { dtype: 'i32', shape: [5] } },
      attributes: {},
      says: 'targets is [5]; accepted: [4], one for each row of logits',
    },
  ],
})

/** Refuses targets that are not one for each row of logits. */
export function checkTargets(logits: TensorType, targets: TensorType, refuse: (what: string) => never): void {
  if (logits.shape.length !== 2) refuse(`logits needs two axes, not ${logits.shape.length}`)
  if (targets.shape.length !== 1 || targets.shape[0] !== logits.shape[0])
    refuse(`targets is [${targets.shape}]; accepted: [${logits.shape[0]}], one for each row of logits`)
}
