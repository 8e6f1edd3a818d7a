import { defineOp } from '../ir/op.ts'
import { gatedRmsNormForward } from '../kernels/norm/norm.kernel.ts'
import { gatedRmsNormBackward } from './gatedRmsNormBackward.ts'
import { multiply } from './multiply.ts'
import { rmsNorm } from './rmsNorm.ts'
import { axis, denseRow, lastAxis } from './shapes.ts'
import { silu } from './silu.ts'

/** y = rmsNorm(x) · silu(gate), the norm over the last axis of x [tokens, heads, width]. */
export const gatedRmsNorm = defineOp({
  name: 'gatedRmsNorm',
  inputs: { x: ['f32'], gate: ['f32'], gain: ['f32'] },
  outputs: ['y'],
  infer({ x, gate, gain }, { eps }: { eps: number }, refuse) {
    if (x.shape.length !== 3) refuse(`x needs three axes, not ${x.shape.length}`)
    if (x.shape.join() !== gate.shape.join())
      refuse(`x is [${x.shape}] and gate is [${gate.shape}]; they must be equal`)
    if (gain.shape.length !== 1 || gain.shape[0] !== lastAxis(x))
      refuse(`gain is [${gain.shape}]; accepted: [${lastAxis(x)}], the last axis of x`)
    if (!(eps >= 0)) refuse(`eps is ${eps}; accepted: a number of at least 0`)
    return { y: x }
  },
  decompose(g, { x, gate, gain }, { eps }) {
    const normed = g.apply(rmsNorm, 'normed', { x, gain }, { eps })
    return { y: g.apply(multiply, 'gated', { x: normed, z: g.apply(silu, 'active', { x: gate }, {}) }, {}) }
  },
  vjp({ x, gate, gain }, _outputs, { y: dy }, attributes, g) {
    const { dx, dgate, dgain } = g.apply(gatedRmsNormBackward, 'x', { x, gate, gain, dy }, attributes)
    return { x: dx, gate: dgate, gain: dgain }
  },
  lower({ x, gate, gain }, { y }, { eps }, to) {
    const dims = { rows: x.type.shape[0]!, groups: axis(x.type, 1), cols: lastAxis(x.type) }
    const strides = { xRow: to.stride(x), gateRow: to.stride(gate), yRow: to.stride(y) }
    to.call(gatedRmsNormForward, { ...dims, ...strides, eps, x, gate, gain, y })
  },
  tolerance: { relative: 12 },
  samples: (lanes) =>
    [1, lanes - 1, 2 * lanes + 1].map((cols) => {
      const heads = { dtype: 'f32', shape: [2, 3, cols] } as const
      return { inputs: { x: heads, gate: heads, gain: { dtype: 'f32', shape: [cols] } }, attributes: { eps: 1e-5 } }
    }),
  refusals: [
    {
      inputs: { x: denseRow(['tokens', 2, 8]), gate: denseRow(['tokens', 2, 8]), gain: denseRow([9]) },
      attributes: { eps: 1e-5 },
      says: 'gain is [9]',
    },
    {
      inputs: { x: denseRow(['tokens', 2, 8]), gate: denseRow(['tokens', 3, 8]), gain: denseRow([8]) },
      attributes: { eps: 1e-5 },
      says: 'they must be equal',
    },
  ],
})
