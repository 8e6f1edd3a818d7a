import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { fillForward } from '../kernels/sums/sums.kernel.ts'

/** y [1, 1] = value: where gradients begin. */
export const constant = defineOp<never, 'y', { value: number }>({
  name: 'constant',
  inputs: {},
  outputs: ['y'],
  infer(_inputs, { value }, refuse) {
    if (!Number.isFinite(value)) refuse(`value is ${value}; accepted: a finite number`)
    return { y: { dtype: 'f32', shape: [1, 1] } }
  },
  reference(_inputs, { value }) {
    return { y: tensor([1, 1], [value]) }
  },
  lower(_inputs, { y }, { value }, to) {
    to.call(fillForward, { rows: 1, cols: 1, value, y })
  },
  tolerance: { relative: 0 },
  samples: () => [{ inputs: {}, attributes: { value: 1 } }],
  refusals: [{ inputs: {}, attributes: { value: Number.NaN }, says: 'value is NaN' }],
})
