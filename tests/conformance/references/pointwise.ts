import { activate, eachActivation } from './activation.ts'
import type { Reference, References } from './reference.ts'
import { around, counts, mixed, rowsOf, strided } from './sizes.ts'

const sizesOfTwo = (lanes: number, a: string, b: string) =>
  strided(mixed(14, { rows: counts, cols: around(lanes) }), ({ cols }) => cols!, `${a}Row`, `${b}Row`, 'yRow')

function ofTwo(f: (a: number, b: number) => number, a: string, b: string, epsilons: number): Reference {
  return {
    sizes: (lanes) => sizesOfTwo(lanes, a, b),
    compute: (values) => ({ y: values[a]!.map((value, i) => f(value, values[b]![i]!)) }),
    epsilons,
  }
}

/** How the kernels of the family `pointwise` are judged. */
export const pointwise: References<'pointwise'> = {
  glu_fwd_f32: {
    sizes: (lanes) =>
      sizesOfTwo(lanes, 'gate', 'up').map((dims, i) => ({ ...dims, pieces: i % 2 === 0 ? 1 : dims.cols! })),
    attributes: eachActivation,
    compute: ({ gate, up }, _dims, { activation }) => ({
      y: gate!.map((value, i) => activate(activation!)(value) * up![i]!),
    }),
    epsilons: 8,
  },
  add_fwd_f32: ofTwo((x, z) => Math.fround(x + z), 'x', 'z', 0),
  multiply_fwd_f32: ofTwo((x, z) => Math.fround(x * z), 'x', 'z', 0),
  activate_fwd_f32: {
    sizes: (lanes) => rowsOf(lanes),
    attributes: eachActivation,
    compute: ({ x }, _dims, { activation }) => ({ y: x!.map(activate(activation!)) }),
    epsilons: 8,
  },
  sigmoid_fwd_f32: {
    sizes: (lanes) => rowsOf(lanes),
    compute: ({ x }) => ({ y: x!.map((v) => 1 / (1 + Math.exp(-v))) }),
    epsilons: 8,
  },
  decayGate_fwd_f32: {
    sizes: (lanes) => rowsOf(lanes),
    fill: {
      // Where softplus is nothing, where it is its argument, and between.
      x: ({ rows, cols }, random) =>
        Array.from({ length: rows! * cols! }, (_, i) => random.normal() * [1, 30, 5][i % 3]!),
      rate: ({ cols }, random) => Array.from({ length: cols! }, () => -Math.exp(random.normal() - 1)),
    },
    compute: ({ x, rate, bias }, { cols }) => ({
      y: x!.map((value, i) => {
        const v = value + bias![i % cols!]!
        return Math.exp(rate![i % cols!]! * (v > 0 ? v + Math.log1p(Math.exp(-v)) : Math.log1p(Math.exp(v))))
      }),
    }),
    epsilons: 16,
  },
  scale_fwd_f32: {
    sizes: (lanes) => rowsOf(lanes),
    attributes: { factor: 0.75 },
    compute: ({ x }) => ({ y: x!.map((value) => 0.75 * value) }),
    epsilons: 1,
  },
  softCap_fwd_f32: {
    sizes: (lanes) => rowsOf(lanes),
    attributes: { cap: 0.8 },
    compute: ({ x }) => ({ y: x!.map((value) => 0.8 * Math.tanh(value / 0.8)) }),
    epsilons: 4,
  },
}
