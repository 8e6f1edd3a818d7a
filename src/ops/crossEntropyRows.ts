import type { TensorType } from '../ir/graph.ts'
import type { Lowering, Operand } from '../ir/op.ts'
import { crossEntropyRowsForward } from '../kernels/loss/loss.kernel.ts'
import { lastAxis } from './shapes.ts'

/** Refuses targets that are not one for each row of logits, and a total that is no single number. */
export function checkTargets(
  inputs: { readonly [slot in 'logits' | 'targets' | 'total']: TensorType },
  refuse: (what: string) => never,
): void {
  const { logits, targets } = inputs
  const total: TensorType | undefined = inputs.total
  if (logits.shape.length !== 2) refuse(`logits needs two axes, not ${logits.shape.length}`)
  if (targets.shape.length !== 1 || targets.shape[0] !== logits.shape[0])
    refuse(`targets is [${targets.shape}]; accepted: [${logits.shape[0]}], one for each row of logits`)
  if (total && total.shape.join() !== '1,1') refuse(`total is [${total.shape}]; accepted: [1,1]`)
}

/** Of each row its largest logit, the sum of the exponentials and the loss, as both directions need them. */
export function rowStates(logits: Operand, targets: Operand, to: Lowering): Operand {
  const rows = logits.type.shape[0]!
  const states = to.scratch('states', { dtype: 'f32', shape: [rows, 3] })
  const dims = { rows, cols: lastAxis(logits.type), logitsRow: to.stride(logits) }
  to.call(crossEntropyRowsForward, { ...dims, logits, targets, states })
  return states
}
