import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { causalConvolutionBackward as causalConvolutionGradients } from '../kernels/convolution/convolution.kernel.ts'
import { slopeOf } from './activateBackward.ts'
import { checkStarts } from './attentionRows.ts'
import { firstOf } from './batchRows.ts'
import { type ConvolutionAttributes, checkConvolution, convolutionSizes, convolve, rowsSamples } from './convolve.ts'
import { denseRow } from './shapes.ts'

/**
 * The gradient of causalConvolution, whose sums s are computed again: ds = dy · f'(s),
 * dx[u, c] = Σj w[c, j] · ds[u + taps - 1 - j, c] within the sequence, dw[c, j] = sum[c, j] + Σt ds[t, c] · x[t - taps + 1 + j, c];
 * a sum that is absent is 0.
 */
export const causalConvolutionBackward = defineOp({
  name: 'causalConvolutionBackward',
  inputs: { x: ['f32'], w: ['f32'], starts: ['i32'], dy: ['f32'], sum: ['f32'] },
  optional: ['starts', 'sum'],
  outputs: ['dx', 'dw'],
  sums: { dw: 'sum' },
  infer({ x, w, starts, dy, sum }, attributes: ConvolutionAttributes, refuse) {
    checkConvolution(x, w, attributes, refuse)
    checkStarts(x, starts, refuse)
    if (dy.shape.join() !== x.shape.join()) refuse(`dy is [${dy.shape}]; accepted: [${x.shape}]`)
    if (sum && sum.shape.join() !== w.shape.join()) refuse(`sum is [${sum.shape}]; accepted: [${w.shape}]`)
    return { dx: x, dw: w }
  },
  reference({ x, w, starts, dy, sum }, { activation, length }) {
    const [tokens = 0, channels = 0] = x.shape
    const taps = w.shape[1] ?? 0
    const [dx, dw] = [tensor(x.shape), tensor(w.shape, sum?.data)]
    for (let t = 0; t < tokens; t++) {
      const own = t - firstOf(t, starts, length)
      const row = (back: number) =>
        back <= own ? x.data.subarray((t - back) * channels, (t - back + 1) * channels) : undefined
      const sums = convolve(w.data, channels, row, 'none')
      for (let c = 0; c < channels; c++) {
        const ds = dy.data[t * channels + c]! * (activation === 'silu' ? slopeOf.silu(sums[c]!) : 1)
        for (let j = Math.max(0, taps - 1 - own); j < taps; j++) {
          const at = (t - taps + 1 + j) * channels + c
          dx.data[at]! += w.data[c * taps + j]! * ds
          dw.data[c * taps + j]! += ds * x.data[at]!
        }
      }
    }
    return { dx, dw }
  },
  lower({ x, w, starts, dy, sum = null }, { dx, dw }, attributes, to) {
    const strides = { xRow: to.stride(x), dyRow: to.stride(dy), dxRow: to.stride(dx) }
    const dims = { ...convolutionSizes(x.type, w.type, attributes), ...strides }
    to.call(causalConvolutionGradients, { ...dims, x, w, starts: starts ?? null, dy, sum, dx, dw })
  },
  tolerance: { relative: 16 },
  samples: (lanes) =>
    rowsSamples(lanes).map(({ x, w, starts, attributes }, at) => ({
      inputs: { x, w, ...starts, dy: x, ...(at % 2 === 0 ? {} : { sum: w }) },
      attributes,
    })),
  refusals: [
    {
      inputs: { x: denseRow(['tokens', 8]), w: denseRow([8, 4]), dy: denseRow(['tokens', 9]) },
      attributes: { activation: 'silu' },
      says: 'dy is [tokens,9]; accepted: [tokens,8]',
    },
  ],
})
