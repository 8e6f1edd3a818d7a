import { fail } from '../base/errors.ts'
import type { Operand } from '../ir/op.ts'

/** Refuses `kernel_missing` for an op that only its reference computes: `what` it would be a kernel for, on this operand. */
export function refuseLowering({ name }: Operand, what: string): never {
  return fail('kernel_missing', { where: name, what, accepted: 'the float64 interpreter' })
}
