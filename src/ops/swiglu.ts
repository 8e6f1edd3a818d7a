import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { swigluForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'
import { siluOf } from './silu.ts'

/** y = silu(gate) · up */
export const swiglu = defineOp({
  name: 'swiglu',
  inputs: { gate: ['f32'], up: ['f32'] },
  outputs: ['y'],
  infer({ gate, up }, _attributes: NoAttributes, refuse) {
    if (gate.shape.join() !== up.shape.join())
      refuse(`gate is [${gate.shape}] and up is [${up.shape}]; they must be equal`)
    return { y: gate }
  },
  reference({ gate, up }) {
    return { y: mapTensor(gate, (value, i) => siluOf(value) * up.data[i]!) }
  },
  lower({ gate, up }, { y }, _attributes, to) {
    to.call(swigluForward, {
      rows: y.type.shape[0]!,
      cols: widthFrom(y.type, 1),
      gateRow: to.stride(gate),
      upRow: to.stride(up),
      yRow: to.stride(y),
      gate,
      up,
      y,
    })
  },
  tolerance: { relative: 4 },
  samples: (lanes) =>
    [1, lanes - 1, 2 * lanes + 1].map((cols) => ({
      inputs: { gate: { dtype: 'f32', shape: [3, cols] }, up: { dtype: 'f32', shape: [3, cols] } },
      attributes: {},
    })),
  refusals: [
    {
      inputs: { gate: denseRow(['tokens', 8]), up: denseRow(['tokens', 9]) },
      attributes: {},
      says: 'they must be equal',
    },
  ],
})
