import { roundToBfloat16 } from '../../../src/base/halfFloats.ts'
import type { Dims } from '../placement.ts'
import type { Fill, Reference, References, Values } from './reference.ts'

/** Sizes around lanes, cache lines and the blocks that parts divide. */
const sizes = (lanes: number) =>
  [1, lanes - 1, lanes + 1, 256, 257, 1024, 1280, 7 * 256 + 2 * lanes + 3].map((elements) => ({ elements }))

/** Learning rate and bias corrections of a step that is no early one. */
const rates = () => [0.01, 0.4, 0.2]
/** Given in every second case; -1 in one of them, in which nothing changes. */
const clip = ({ elements }: Dims) => (elements! % 2 ? null : [elements === voided ? -1 : 0.6])
const voided = 1024
const group = { decay: 0.1, rate: 0.5 }
const positive: Fill = ({ elements }, random) => Array.from({ length: elements! }, () => random.normal() ** 2)

type Element = (at: { readonly [buffer: string]: number }, of: { readonly [name: string]: number }) => readonly number[]

/** An update of every element: `outputs` from what is there, `g` being the gradient as it is read. */
function updating(
  outputs: readonly string[],
  attributes: { readonly [name: string]: number },
  element: Element,
  fill: Reference['fill'] = {},
): Reference {
  return {
    sizes,
    attributes: { ...group, ...attributes },
    fill: { rates, clip, ...fill },
    compute(values: Values, { elements }, given) {
      const factor = values.clip?.[0] ?? 1
      if (factor < 0) return Object.fromEntries(outputs.map((name) => [name, values[name]!]))
      const step = given.rate! * values.rates![0]!
      const results = outputs.map(() => new Float64Array(elements!))
      for (let i = 0; i < elements!; i++) {
        const at = Object.fromEntries(outputs.map((name) => [name, values[name]![i]!]))
        const next = element({ ...at, g: factor * values.gradient![i]! }, { ...given, step })
        results.forEach((result, which) => {
          result[i] = next[which]!
        })
      }
      return Object.fromEntries(outputs.map((name, which) => [name, results[which]!]))
    },
    epsilons: 4,
  }
}

const mix = (share: number, a: number, b: number) => share * a + (1 - share) * b

/** The references of the kernels of optimizers. */
export const update: References<'update'> = {
  adamW_fwd_f32: updating(
    ['weight', 'mean', 'square'],
    { beta1: 0.9, beta2: 0.95, eps: 1e-4 },
    ({ weight, mean, square, g }, { step, decay, beta1, beta2, eps }) => {
      const [m, s] = [mix(beta1!, mean!, g!), mix(beta2!, square!, g! ** 2)]
      const [, correction1 = 1, correction2 = 1] = rates()
      return [weight! * (1 - step! * decay!) - (step! * m) / correction1 / (Math.sqrt(s) / correction2 + eps!), m, s]
    },
    { square: positive },
  ),
  sgd_fwd_f32: updating(['weight'], {}, ({ weight, g }, { step, decay }) => [
    weight! - step! * (g! + decay! * weight!),
  ]),
  momentum_fwd_f32: updating(
    ['weight', 'velocity'],
    { momentum: 0.9, nesterov: 1 },
    ({ weight, velocity, g }, { step, decay, momentum }) => {
      const slope = g! + decay! * weight!
      const next = momentum! * velocity! + slope
      return [weight! - step! * (slope + momentum! * next), next]
    },
  ),
  lion_fwd_f32: updating(
    ['weight', 'mean'],
    { beta1: 0.9, beta2: 0.99 },
    ({ weight, mean, g }, { step, decay, beta1, beta2 }) => [
      weight! * (1 - step! * decay!) - step! * Math.sign(mix(beta1!, mean!, g!)),
      mix(beta2!, mean!, g!),
    ],
  ),
  muonUpdate_fwd_f32: updating(
    ['weight'],
    { scale: 1.5 },
    ({ weight, g }, { step, decay, scale }) => [weight! * (1 - step! * decay!) - step! * scale! * g!],
    { clip: ({ elements }) => (elements! % 2 ? null : [elements === voided ? -1 : 1]) },
  ),
  muonMomentum_fwd_f32: {
    sizes,
    attributes: ({ elements }: Dims) => ({ momentum: 0.95, nesterov: Math.floor(elements! / 2) % 2 }),
    fill: { clip },
    compute({ gradient, clip: factor, velocity }: Values, _dims, { momentum, nesterov }) {
      if ((factor?.[0] ?? 1) < 0) return { velocity: velocity!, direction: velocity!.map(() => 0) }
      const g = gradient!.map((value) => value * (factor?.[0] ?? 1))
      const next = velocity!.map((value, i) => mix(momentum!, value, g[i]!))
      return { velocity: next, direction: nesterov ? next.map((value, i) => mix(momentum!, value, g[i]!)) : next }
    },
    epsilons: 2,
  },
  average_fwd_f32: {
    sizes,
    attributes: { decay: 0.98 },
    compute: ({ weight, average }: Values, _dims, { decay }) => ({
      average: average!.map((value, i) => mix(decay!, value, weight![i]!)),
    }),
    epsilons: 2,
  },
  weightCopy_fwd_bf16: {
    sizes,
    compute: ({ weight }: Values) => ({ copy: weight!.map(roundToBfloat16) }),
    epsilons: 0,
  },
}
