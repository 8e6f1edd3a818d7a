import { slopeOf } from '../../../src/ops/activateBackward.ts'
import { activationOf } from '../../../src/ops/activations.ts'
import type { Dims } from '../placement.ts'
import type { Random } from '../random.ts'
import type { References } from './reference.ts'
import { someSum } from './rowValues.ts'
import { around, strided, vectorsOf } from './sizes.ts'

/** Vectors of more than one number: alone, one is all but normed away, and its gradient is what rounding leaves. */
const vectors = (lanes: number, ...strides: readonly string[]) => [
  ...vectorsOf(around(lanes).slice(1), ...strides),
  ...strided(
    [
      { rows: 2, groups: 5, cols: 64 },
      { rows: 9, groups: 1, cols: 160 },
    ],
    ({ groups, cols }) => groups! * cols!,
    ...strides,
  ),
]

const perVector = ['rows', 'groups']
const perElement = [...perVector, 'cols']
const scales = ({ rows, groups }: Dims, random: Random) =>
  Array.from({ length: rows! * groups! }, () => Math.exp(random.normal()))

/** Of each vector of x, dy · gain and what is added: the gradient by `of`, and what it leaves per vector. */
function eachVector(
  { x, gain, dy, sum }: { readonly [name: string]: Float64Array },
  cols: number,
  of: (x: Float64Array, given: Float64Array) => { dx: Float64Array; scale: number; mean: number },
) {
  const count = x!.length / cols
  const found = Array.from({ length: count }, (_, v) => {
    const given = dy!.slice(v * cols, (v + 1) * cols)
    return of(
      x!.subarray(v * cols, (v + 1) * cols),
      given.map((value, c) => value * (gain ? gain[c]! : 1)),
    )
  })
  return {
    mean: Float64Array.from(found, ({ mean }) => mean),
    scale: Float64Array.from(found, ({ scale }) => scale),
    dx: Float64Array.from(
      found.flatMap(({ dx }) => [...dx]),
      (value, i) => value + (sum ? sum[i]! : 0),
    ),
  }
}

const meanOf = (row: Float64Array) => row.reduce((sum, value) => sum + value, 0) / row.length
const productOf = (a: Float64Array, b: Float64Array) => a.map((value, i) => value * b[i]!)

const rmsGradient = (eps: number) => (x: Float64Array, given: Float64Array) => {
  const s = 1 / Math.sqrt(meanOf(productOf(x, x)) + eps)
  const along = meanOf(productOf(x, given))
  return { dx: given.map((value, c) => s * value - x[c]! * s ** 3 * along), scale: s, mean: 0 }
}

/** start + Σ terms of each column. */
function columnSums(cols: number, terms: Float64Array, start: Float64Array | undefined): Float64Array {
  const sums = start?.slice() ?? new Float64Array(cols)
  terms.forEach((value, i) => {
    sums[i % cols]! += value
  })
  return sums
}

/** How the kernels of the family `normgrad` are judged. */
export const normgrad: References<'normgrad'> = {
  rmsNorm_bwd_f32: {
    sizes: (lanes) => vectors(lanes, 'xRow', 'dyRow', 'sumRow', 'dxRow'),
    attributes: { eps: 1e-5 },
    fill: { sum: someSum(...perElement) },
    compute(values, { cols }, { eps }) {
      const { scale, dx } = eachVector(values, cols!, rmsGradient(eps!))
      return { scale, dx }
    },
    epsilons: 16,
  },
  rmsNormGain_bwd_f32: {
    sizes: (lanes) => vectors(lanes, 'xRow', 'dyRow'),
    fill: { sum: someSum('cols'), scale: scales },
    compute: ({ x, dy, scale, sum }, { cols }) => ({
      dgain: columnSums(
        cols!,
        x!.map((value, i) => value * dy![i]! * scale![Math.floor(i / cols!)]!),
        sum,
      ),
    }),
    epsilons: 16,
  },
  layerNorm_bwd_f32: {
    sizes: (lanes) => vectors(lanes, 'xRow', 'dyRow', 'sumRow', 'dxRow'),
    attributes: { eps: 1e-5 },
    fill: { sum: someSum(...perElement) },
    compute: (values, { cols }, { eps }) =>
      eachVector(values, cols!, (x, given) => {
        const mean = meanOf(x)
        const centred = x.map((value) => value - mean)
        const scale = 1 / Math.sqrt(meanOf(productOf(centred, centred)) + eps!)
        const normed = centred.map((value) => value * scale)
        const along = meanOf(productOf(normed, given))
        const level = meanOf(given)
        return { dx: given.map((value, c) => scale * (value - level - normed[c]! * along)), scale, mean }
      }),
    epsilons: 16,
  },
  layerNormGain_bwd_f32: {
    sizes: (lanes) => vectors(lanes, 'xRow', 'dyRow'),
    fill: {
      gainSum: someSum('cols'),
      biasSum: ({ rows, cols }, random) => (rows! % 2 ? null : Array.from({ length: cols! }, () => random.normal())),
      scale: scales,
    },
    compute: ({ x, dy, mean, scale, gainSum, biasSum }, { cols }) => ({
      dgain: columnSums(
        cols!,
        x!.map((value, i) => {
          const vector = Math.floor(i / cols!)
          return (value - mean![vector]!) * scale![vector]! * dy![i]!
        }),
        gainSum,
      ),
      dbias: columnSums(cols!, dy!, biasSum),
    }),
    epsilons: 16,
  },
  l2Norm_bwd_f32: {
    sizes: (lanes) => vectors(lanes, 'xRow', 'dyRow', 'dxRow'),
    attributes: { eps: 1e-6 },
    compute(values, { cols }, { eps }) {
      const { dx } = eachVector(values, cols!, (x, dy) => {
        const square = x.reduce((sum, value) => sum + value * value, eps!)
        const along = productOf(x, dy).reduce((sum, value) => sum + value, 0)
        const dx = dy.map((value, c) => (value - (x[c]! * along) / square) / Math.sqrt(square))
        return { dx, scale: 0, mean: 0 }
      })
      return { dx }
    },
    epsilons: 16,
  },
  gatedRmsNorm_bwd_f32: {
    sizes: (lanes) => vectors(lanes, 'xRow', 'gateRow', 'dyRow', 'dxRow', 'dgateRow'),
    attributes: { eps: 1e-5 },
    compute({ x, gate, gain, dy }, { cols }, { eps }) {
      const dnormed = gate!.map((value, i) => dy![i]! * activationOf.silu(value))
      const { scale, dx } = eachVector({ x: x!, gain: gain!, dy: dnormed }, cols!, rmsGradient(eps!))
      const dgate = gate!.map(
        (value, i) => dy![i]! * x![i]! * scale[Math.floor(i / cols!)]! * gain![i % cols!]! * slopeOf.silu(value),
      )
      return { scale, dnormed, dx, dgate }
    },
    epsilons: 16,
  },
}
