import type { Fill, Reference, References } from './reference.ts'
import { around, counts, mixed, strided } from './sizes.ts'

/** More columns than are summed at once in f32. */
const wide = 9001

const sizes = (lanes: number, ...strides: readonly string[]) =>
  strided(mixed(16, { rows: counts, cols: [...around(lanes), wide] }), ({ cols }) => cols!, ...strides)

const targets: Fill = ({ rows, cols = 5 }, random) =>
  Array.from({ length: rows! }, (_, row) => (row % 3 === 1 ? -1 : random.whole(cols)))

/** Logits far from 0, the largest of them early in one row and late in another. */
const logits: Fill = ({ rows, cols }, random) =>
  Array.from({ length: rows! * cols! }, (_, i) => {
    const [row, col] = [Math.floor(i / cols!), i % cols!]
    return 3 * random.normal() - 40 + (col === (row % 2 ? 0 : cols! - 1) ? 15 : 0)
  })

/** Not where the logit is largest: there the gradient is what is left of 1 - 1. */
const unlikely: Fill = ({ rows, cols }) =>
  Array.from({ length: rows! }, (_, row) => (row % 3 === 1 ? -1 : row % 2 ? cols! - 1 : 0))

/** Absent for one row, so that a row alone has the gradient that it has among others. */
const total: Fill = ({ rows }) => (rows === 1 ? null : [rows! + 3])

const counted = (ids: Float64Array, given: Float64Array | undefined) =>
  given?.[0] ?? ids.filter((target) => target >= 0).length

/** Of each row its largest logit, the sum of exponentials and its loss. */
const statesOf: Reference['compute'] = ({ logits: x, targets: ids }, { cols }) => ({
  states: Float64Array.from(
    [...ids!].flatMap((target, r) => {
      if (target < 0) return [0, 1, 0]
      const row = x!.subarray(r * cols!, (r + 1) * cols!)
      const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
      const sum = row.reduce((all, value) => all + Math.exp(value - most), 0)
      return [most, sum, most + Math.log(sum) - row[target]!]
    }),
  ),
})

const gradientOf: Reference['compute'] = ({ logits: x, states, targets: ids, total: given, dloss }, { cols }) => ({
  dlogits: x!.map((value, i) => {
    const [row, col] = [Math.floor(i / cols!), i % cols!]
    if (ids![row]! < 0) return 0
    const share = Math.exp(value - states![3 * row]!) / states![3 * row + 1]! - (ids![row] === col ? 1 : 0)
    return (dloss![0]! * share) / counted(ids!, given)
  }),
})

/** How the kernels of the family `loss` are judged. */
export const loss: References<'loss'> = {
  crossEntropyRows_fwd_f32: {
    sizes: (lanes) => sizes(lanes, 'logitsRow'),
    fill: { targets, logits },
    compute: statesOf,
    epsilons: 8,
  },
  crossEntropyMean_fwd_f32: {
    sizes: () => [1, 2, 7, 300].map((rows) => ({ rows })),
    fill: { targets, total: ({ rows }) => (rows! % 2 ? null : [rows! + 3]) },
    compute: ({ states, targets: ids, total: given }) => ({
      loss: Float64Array.of(
        states!.reduce((sum, value, i) => (i % 3 === 2 ? sum + value : sum), 0) / counted(ids!, given),
      ),
    }),
    epsilons: 1,
  },
  crossEntropy_bwd_f32: {
    sizes: (lanes) => sizes(lanes, 'logitsRow', 'dlogitsRow'),
    fill: {
      targets,
      total,
      states: ({ rows }, random) =>
        Array.from({ length: rows! }, () => [3 + random.normal(), 1 + Math.abs(random.normal()), 0]).flat(),
    },
    compute: gradientOf,
    epsilons: 8,
  },
  crossEntropyFused_bwd_f32: {
    sizes: (lanes) => sizes(lanes, 'logitsRow', 'dlogitsRow'),
    fill: { targets: unlikely, logits, total },
    compute(values, dims, attributes) {
      const { states } = statesOf(values, dims, attributes)
      return { states: states!, ...gradientOf({ ...values, states: Float64Array.from(states!) }, dims, attributes) }
    },
    epsilons: 8,
  },
}
