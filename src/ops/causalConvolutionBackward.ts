import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { slopeOf } from './activateBackward.ts'
import { checkStarts } from './attentionRows.ts'
import { type ConvolutionActivation, checkConvolution, convolve } from './convolve.ts'
import { refuseLowering } from './missingKernel.ts'
import { denseRow } from './shapes.ts'

/**
 * The gradient of causalConvolution, whose sums s are computed again: ds = dy · f'(s),
 * dx[u, c] = Σj w[c, j] · ds[u + taps - 1 - j, c] within the sequence, dw[c, j] = Σt ds[t, c] · x[t - taps + 1 + j, c].
 */
export const causalConvolutionBackward = defineOp({
  name: 'causalConvolutionBackward',
  inputs: { x: ['f32'], w: ['f32'], starts: ['i32'], dy: ['f32'] },
  optional: ['starts'],
  outputs: ['dx', 'dw'],
  infer({ x, w, starts, dy }, { activation }: { activation: ConvolutionActivation }, refuse) {
    checkConvolution(x, w, activation, refuse)
    checkStarts(x, starts, refuse)
    if (dy.shape.join() !== x.shape.join()) refuse(`dy is [${dy.shape}]; accepted: [${x.shape}]`)
    return { dx: x, dw: w }
  },
  reference({ x, w, starts, dy }, { activation }) {
    const [tokens = 0, channels = 0] = x.shape
    const taps = w.shape[1] ?? 0
    const [dx, dw] = [tensor(x.shape), tensor(w.shape)]
    for (let t = 0; t < tokens; t++) {
      const own = t - (starts?.data[t] ?? 0)
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
  lower({ x }) {
    refuseLowering(x, 'the gradient of a causal convolution')
  },
  tolerance: { relative: 16 },
  samples: () =>
    (['none', 'silu'] as const).map((activation) => ({
      inputs: {
        x: { dtype: 'f32', shape: [7, 5] },
        w: { dtype: 'f32', shape: [5, 4] },
        starts: { dtype: 'i32', shape: [7], values: [0, 0, 0, 0, 4, 4, 4] },
        dy: { dtype: 'f32', shape: [7, 5] },
      },
      attributes: { activation },
    })),
  refusals: [
    {
      inputs: { x: denseRow(['tokens', 8]), w: denseRow([8, 4]), dy: denseRow(['tokens', 9]) },
      attributes: { activation: 'silu' },
      says: 'dy is [tokens,9]; accepted: [tokens,8]',
    },
  ],
})
