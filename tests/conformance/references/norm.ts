import { activationOf } from '../../../src/ops/activations.ts'
import type { References } from './reference.ts'
import { eachRow } from './rowValues.ts'
import { around, counts, mixed, vectorsOf } from './sizes.ts'

function normalise(x: Float64Array, gain: Float64Array, eps: number): Float64Array {
  const cols = gain.length
  return eachRow(x, cols, (row) => {
    const root = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / cols + eps)
    return row.map((value, i) => (value * gain[i]!) / root)
  })
}

/** How the kernels of the family `norm` are judged. */
export const norm: References<'norm'> = {
  rmsNorm_fwd_f32: {
    sizes: (lanes) => vectorsOf(around(lanes), 'xRow', 'yRow'),
    attributes: { eps: 1e-5 },
    compute: ({ x, gain }, _dims, { eps }) => ({ y: normalise(x!, gain!, eps!) }),
    epsilons: 8,
  },
  layerNorm_fwd_f32: {
    // A row of one number is its own mean; what is left of it is a rounding.
    sizes: (lanes) => vectorsOf(around(lanes).slice(1), 'xRow', 'yRow'),
    attributes: { eps: 1e-5 },
    fill: {
      bias: ({ rows, cols }, random) => (rows! % 2 ? null : Array.from({ length: cols! }, () => random.normal())),
    },
    compute: ({ x, gain, bias }, { cols }, { eps }) => ({
      y: eachRow(x!, cols!, (row) => {
        const mean = row.reduce((sum, v) => sum + v, 0) / cols!
        const centred = row.map((v) => v - mean)
        const root = Math.sqrt(centred.reduce((sum, v) => sum + v * v, 0) / cols! + eps!)
        return centred.map((v, i) => (v * gain![i]!) / root + (bias ? bias[i]! : 0))
      }),
    }),
    epsilons: 8,
  },
  l2Norm_fwd_f32: {
    sizes: (lanes) => vectorsOf(around(lanes), 'xRow', 'yRow'),
    attributes: { eps: 1e-6 },
    compute: ({ x }, { cols }, { eps }) => ({
      y: eachRow(x!, cols!, (row) => {
        const length = Math.hypot(...row, Math.sqrt(eps!))
        return row.map((value) => value / length)
      }),
    }),
    epsilons: 8,
  },
  residualRmsNorm_fwd_f32: {
    sizes: (lanes) => mixed(14, { rows: counts, cols: around(lanes) }),
    attributes: { eps: 1e-5 },
    compute({ x, delta, gain }, _dims, { eps }) {
      const sum = x!.map((value, i) => value + delta![i]!)
      return { sum, y: normalise(sum, gain!, eps!) }
    },
    epsilons: 8,
  },
  gatedRmsNorm_fwd_f32: {
    sizes: (lanes) => vectorsOf(around(lanes), 'xRow', 'gateRow', 'yRow'),
    attributes: { eps: 1e-5 },
    compute: ({ x, gate, gain }, _dims, { eps }) => ({
      y: normalise(x!, gain!, eps!).map((value, i) => value * activationOf.silu(gate![i]!)),
    }),
    epsilons: 16,
  },
}
