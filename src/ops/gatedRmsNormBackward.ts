import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { gatedRmsNormGradient, rmsNormGainGradient } from '../kernels/normgrad/normgrad.kernel.ts'
import { slopeOf } from './activateBackward.ts'
import { activationOf } from './activations.ts'
import { axis, denseRow, lastAxis } from './shapes.ts'

/**
 * The gradient of y = rmsNorm(x) · silu(gate), with s = 1 / √(mean(x²) + eps) of each head and e = dy · silu(gate):
 * dx = s · e · gain - x · s³ · mean(e · gain · x), dgate = dy · x · s · gain · silu'(gate), dgain = gainSum + Σ e · x · s over the
 * heads; a sum that is absent is 0.
 */
export const gatedRmsNormBackward = defineOp({
  name: 'gatedRmsNormBackward',
  inputs: { x: ['f32'], gate: ['f32'], gain: ['f32'], dy: ['f32'], gainSum: ['f32'] },
  optional: ['gainSum'],
  outputs: ['dx', 'dgate', 'dgain'],
  sums: { dgain: 'gainSum' },
  infer({ x, gate, gain, dy, gainSum }, _attributes: { eps: number }, refuse) {
    if (x.shape.length !== 3) refuse(`x needs three axes, not ${x.shape.length}`)
    for (const { shape } of [gate, dy])
      if (shape.join() !== x.shape.join()) refuse(`gate or dy is [${shape}]; accepted: [${x.shape}], as x`)
    if (gain.shape.join() !== String(lastAxis(x))) refuse(`gain is [${gain.shape}]; accepted: [${lastAxis(x)}]`)
    if (gainSum && gainSum.shape.join() !== gain.shape.join())
      refuse(`gainSum is [${gainSum.shape}]; accepted: [${gain.shape}]`)
    return { dx: x, dgate: gate, dgain: gain }
  },
  reference({ x, gate, gain, dy, gainSum }, { eps }) {
    const { rows, cols } = rowsAndCols(x)
    const [dx, dgate, dgain] = [tensor(x.shape), tensor(gate.shape), tensor(gain.shape, gainSum?.data)]
    const open = gate.data.map((value, i) => dy.data[i]! * activationOf.silu(value))
    for (let at = 0; at < rows * cols; at += cols) {
      let squares = 0
      let along = 0
      for (let c = 0; c < cols; c++) {
        squares += x.data[at + c]! ** 2
        along += open[at + c]! * gain.data[c]! * x.data[at + c]!
      }
      const scale = 1 / Math.sqrt(squares / cols + eps)
      for (let c = 0; c < cols; c++) {
        const [value, by] = [x.data[at + c]!, gain.data[c]!]
        dx.data[at + c] = scale * open[at + c]! * by - (value * scale ** 3 * along) / cols
        dgate.data[at + c] = dy.data[at + c]! * value * scale * by * slopeOf.silu(gate.data[at + c]!)
        dgain.data[c]! += open[at + c]! * value * scale
      }
    }
    return { dx, dgate, dgain }
  },
  lower({ x, gate, gain, dy, gainSum = null }, { dx, dgate, dgain }, { eps }, to) {
    const [rows, groups, cols] = [x.type.shape[0]!, axis(x.type, 1), lastAxis(x.type)]
    const scale = to.scratch('scale', { dtype: 'f32', shape: [rows, groups] })
    const dnormed = to.scratch('dnormed', x.type)
    const read = { xRow: to.stride(x), gateRow: to.stride(gate), dyRow: to.stride(dy) }
    const dims = { rows, groups, cols, ...read, dxRow: to.stride(dx), dgateRow: to.stride(dgate) }
    to.call(gatedRmsNormGradient, { ...dims, eps, x, gate, gain, dy, scale, dnormed, dx, dgate })
    const strides = { xRow: to.stride(x), dyRow: to.stride(dnormed) }
    to.call(rmsNormGainGradient, { rows, groups, cols, ...strides, x, dy: dnormed, scale, sum: gainSum, dgain })
  },
  tolerance: { relative: 16 },
  // Two numbers alone are all but normed away, and their gradient is what rounding leaves.
  samples: (lanes) =>
    [5, lanes - 1, 2 * lanes + 1].map((cols) => {
      const heads = { dtype: 'f32', shape: [2, 3, cols] } as const
      const gain = { dtype: 'f32', shape: [cols] } as const
      const inputs = { x: heads, gate: heads, gain, dy: heads, ...(cols === 5 ? {} : { gainSum: gain }) }
      return { inputs, attributes: { eps: 1e-5 } }
    }),
  refusals: [
    {
      inputs: {
        x: denseRow(['tokens', 2, 8]),
        gate: denseRow(['tokens', 2, 8]),
        gain: denseRow([8]),
        dy: denseRow(['tokens', 2, 9]),
      },
      attributes: { eps: 1e-5 },
      says: 'gate or dy is [tokens,2,9]; accepted: [tokens,2,8], as x',
    },
  ],
})
