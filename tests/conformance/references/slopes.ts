import { slopeOf } from '../../../src/ops/activateBackward.ts'
import { activate, eachActivation } from './activation.ts'
import type { Fill, Reference, References } from './reference.ts'
import { eachRow, someSum } from './rowValues.ts'
import { around, counts, mixed, strided } from './sizes.ts'

const rowsOf = (lanes: number, ...strides: readonly string[]) =>
  strided(mixed(16, { rows: counts, cols: [...around(lanes), 1000] }), ({ cols }) => cols!, ...strides)

/** Values near 0, where a slope changes most, and far from it. */
const nearAndFar: Fill = ({ rows, cols }, random) =>
  Array.from({ length: rows! * cols! }, (_, i) => random.normal() * [1, 30, 5, 1, 1e4][i % 5]!)

function slope(of: (value: number, attributes: { readonly [name: string]: number }) => number): Reference {
  return {
    sizes: (lanes) => rowsOf(lanes, 'valueRow', 'dyRow', 'dxRow'),
    compute: ({ value, dy }, _dims, attributes) => ({
      dx: value!.map((at, i) => dy![i]! * of(at, attributes)),
    }),
    epsilons: 8,
  }
}

/** How the kernels of the family `slopes` are judged. */
export const slopes: References<'slopes'> = {
  activate_bwd_f32: {
    ...slope((x, { activation }) => Object.values(slopeOf)[activation!]!(x)),
    attributes: eachActivation,
    fill: { value: nearAndFar },
  },
  glu_bwd_f32: {
    sizes: (lanes) => rowsOf(lanes, 'gateRow', 'upRow', 'dyRow', 'dgateRow', 'dupRow'),
    attributes: eachActivation,
    fill: { gate: nearAndFar },
    compute: ({ gate, up, dy }, _dims, { activation }) => ({
      dgate: gate!.map((at, i) => dy![i]! * up![i]! * Object.values(slopeOf)[activation!]!(at)),
      dup: gate!.map((at, i) => dy![i]! * activate(activation!)(at)),
    }),
    epsilons: 8,
  },
  sigmoid_bwd_f32: {
    ...slope((y) => y * (1 - y)),
    fill: { value: ({ rows, cols }, random) => Array.from({ length: rows! * cols! }, () => random.whole(1000) / 1000) },
  },
  softCap_bwd_f32: { ...slope((y, { cap }) => 1 - (y / cap!) ** 2), attributes: { cap: 0.8 } },
  softmax_bwd_f32: {
    ...slope(() => 0),
    compute({ value, dy }, { cols }) {
      let row = 0
      const dx = eachRow(value!, cols!, (y) => {
        const given = dy!.subarray(row++ * cols!)
        const along = y.reduce((sum, v, c) => sum + v * given[c]!, 0)
        return y.map((v, c) => v * (given[c]! - along))
      })
      return { dx }
    },
    epsilons: 16,
  },
  decayGate_bwd_f32: {
    sizes: (lanes) => [
      ...rowsOf(lanes, 'xRow', 'dyRow', 'dxRow'),
      { rows: 3, cols: 48, xRow: 48, dyRow: 48, dxRow: 48 },
    ],
    fill: {
      x: ({ rows, cols }, random) =>
        Array.from({ length: rows! * cols! }, (_, i) => random.normal() * [1, 30, 5][i % 3]!),
      rateSum: someSum('cols'),
      biasSum: someSum('cols'),
      rate: ({ cols }, random) => Array.from({ length: cols! }, () => -Math.exp(random.normal() - 1)),
    },
    compute({ x, rate, bias, dy, rateSum, biasSum }, { cols }) {
      const [drate, dbias] = [rateSum, biasSum].map((sum) => sum?.slice() ?? new Float64Array(cols!)) as [
        Float64Array,
        Float64Array,
      ]
      const dx = x!.map((value, i) => {
        const c = i % cols!
        const v = value + bias![c]!
        const softplus = Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))
        const flow = dy![i]! * Math.exp(rate![c]! * softplus)
        const change = (flow * rate![c]!) / (1 + Math.exp(-v))
        drate[c]! += flow * softplus
        dbias[c]! += change
        return change
      })
      return { dx, drate, dbias }
    },
    epsilons: 32,
  },
}
