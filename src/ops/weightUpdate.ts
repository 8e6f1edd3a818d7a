import type { Attributes, TensorType } from '../ir/graph.ts'
import { defineOp, type OpDefinition, type Operand } from '../ir/op.ts'
import { type Tensor, tensor } from '../ir/tensor.ts'
import type { Kernel } from '../kernels/kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'

/**
 * What changes from step to step, as every op that updates a weight takes it: `rates` [1, 3] holds the learning rate and the
 * bias corrections of an average of gradients and of one of their squares' root, which ops that have none ignore.
 */
export const ratesType: TensorType = { dtype: 'f32', shape: [1, 3] }

/** The type of a value that scales gradients as they are read; below 0 it says that they are not finite, and nothing changes. */
export const clipType: TensorType = { dtype: 'f32', shape: [1, 1] }

/** `rates` of a step by name. */
export interface StepRates {
  readonly rate: number
  /** 1 - beta1^step */
  readonly meanCorrection: number
  /** sqrt(1 - beta2^step) */
  readonly squareCorrection: number
}

/** Attributes of every update: what a parameter group decides. */
export interface UpdateAttributes extends Attributes {
  /** Weight decay. */
  readonly decay: number
  /** Times the learning rate of the step. */
  readonly rate: number
}

type Next<M extends string> = `next${Capitalize<M>}`

/** The output that is the next version of a state of an update. */
export function nextOf<M extends string>(state: M): Next<M> {
  return `next${state.slice(0, 1).toUpperCase()}${state.slice(1)}` as Next<M>
}

/**
 * An op that changes a weight in place, element by element, by its gradient (times `clip`, where it is given), and with it
 * what the optimizer keeps of earlier gradients: states of the weight's shape. Output `next` is the weight's next version,
 * `nextMean` that of `mean`. Where `clip` is below 0, each is as it was.
 */
export function defineWeightUpdate<const M extends string, A extends UpdateAttributes>(
  name: string,
  {
    memory,
    kernel,
    check,
    element,
    kinds,
    relative,
    isDirection = false,
  }: {
    /** The states beside the weight. */
    readonly memory: readonly M[]
    /** Takes the slots as buffers and the attributes as attributes; truth values as 0 and 1. */
    readonly kernel: Kernel
    /** Refuses attributes; decay and rate are checked already. */
    readonly check: (attributes: A, refuse: (what: string) => never) => void
    /** The next weight, and the next values of the states in their order. */
    readonly element: (
      at: { readonly weight: number; readonly gradient: number } & { readonly [K in M]: number },
      rates: StepRates,
      attributes: A,
    ) => readonly number[]
    /** Attributes of the samples. */
    readonly kinds: readonly A[]
    readonly relative: number
    /** Whether the gradient is a direction that has its length already, which `clip` does not change. */
    readonly isDirection?: boolean
  },
): OpDefinition<'weight' | 'gradient' | 'rates' | 'clip' | M, 'next' | Next<M>, A> {
  const states = ['weight', ...memory] as const
  const outputs = ['next', ...memory.map(nextOf)] as const
  type Slots<T> = { readonly [K in 'weight' | 'gradient' | 'rates' | 'clip' | M]: T }
  const typesOf = (shape: readonly number[]) => ({
    ...Object.fromEntries([...states, 'gradient'].map((slot) => [slot, denseRow(shape)])),
    rates: ratesType,
  })
  return defineOp({
    name,
    inputs: Object.fromEntries(
      ['weight', 'gradient', ...memory, 'rates', 'clip'].map((slot) => [slot, ['f32']]),
    ) as unknown as Slots<['f32']>,
    optional: ['clip'],
    outputs,
    advances: Object.fromEntries(outputs.map((output, at) => [output, states[at]])) as never,
    infer(inputs, attributes, refuse) {
      const types = inputs as Slots<TensorType>
      for (const slot of ['gradient', ...memory] as const)
        if (types[slot].shape.join() !== types.weight.shape.join())
          refuse(`${slot} is [${types[slot].shape}] and weight is [${types.weight.shape}]; they must be equal`)
      checkStep(types.rates, types.clip, refuse)
      for (const key of ['decay', 'rate'])
        if (!(Number(attributes[key]) >= 0)) refuse(`${key} is ${attributes[key]}; accepted: 0 or more`)
      check(attributes, refuse)
      return Object.fromEntries(outputs.map((output, at) => [output, types[states[at]!]])) as never
    },
    reference(inputs, attributes) {
      const given = inputs as Slots<Tensor>
      const rates = ratesOf(given.rates)
      const clip = given.clip ? given.clip.data[0]! : 1
      if (clip < 0) return Object.fromEntries(outputs.map((output, at) => [output, given[states[at]!]])) as never
      const factor = isDirection ? 1 : clip
      const results = outputs.map(() => tensor(given.weight.shape))
      given.weight.data.forEach((_, i) => {
        const at = Object.fromEntries(states.map((slot) => [slot, given[slot].data[i]!]))
        const next = element({ ...at, gradient: factor * given.gradient.data[i]! } as never, rates, attributes)
        results.forEach(({ data }, which) => {
          data[i] = next[which]!
        })
      })
      return Object.fromEntries(outputs.map((output, at) => [output, results[at]!])) as never
    },
    lower(inputs, advanced, attributes, to) {
      const given = inputs as Slots<Operand>
      const next = advanced as { readonly [output: string]: Operand }
      outputs.forEach((output, at) => {
        to.advance(next[output]!, given[states[at]!])
      })
      to.call(kernel, {
        elements: widthFrom(given.weight.type, 0),
        ...Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, Number(value)])),
        ...{ gradient: given.gradient, rates: given.rates, clip: given.clip ?? null },
        ...Object.fromEntries(outputs.map((output, at) => [states[at]!, next[output]!])),
      } as never)
    },
    tolerance: { relative },
    samples: (lanes) =>
      kinds.flatMap((attributes, kind) =>
        [[1], [3, lanes - 1], [7, 2 * lanes + 1], [5, 256]].map((shape, i) => ({
          inputs: {
            ...typesOf(shape),
            ...((memory as readonly string[]).includes('square') ? { square: squaresLike(shape) } : {}),
            rates: { ...ratesType, values: [-0.99, -0.9, -0.75] },
            ...((i + kind) % 2 ? { clip: { ...clipType, values: [i === 2 ? -2 : -0.5] } } : {}),
          } as never,
          attributes,
        })),
      ),
    refusals: [
      {
        inputs: { ...typesOf([3, 4]), gradient: denseRow([4, 3]) } as never,
        attributes: kinds[0]!,
        says: 'gradient is [4,3] and weight is [3,4]; they must be equal',
      },
      {
        inputs: { ...typesOf([3, 4]), rates: denseRow([1, 2]) } as never,
        attributes: kinds[0]!,
        says: 'rates is [1,2]; accepted: [1,3]',
      },
      {
        inputs: typesOf([3, 4]) as never,
        attributes: { ...kinds[0]!, decay: -1 },
        says: 'decay is -1; accepted: 0 or more',
      },
    ],
  })
}

/** Values that are no less than 0. */
function squaresLike(shape: readonly number[]) {
  const elements = shape.reduce((product, dim) => product * dim, 1)
  return { ...denseRow(shape), values: Array.from({ length: elements }, (_, i) => ((i * 7) % 11) / 8 - 1) }
}

function checkStep(rates: TensorType, clip: TensorType | undefined, refuse: (what: string) => never): void {
  if (rates.shape.join() !== ratesType.shape.join()) refuse(`rates is [${rates.shape}]; accepted: [${ratesType.shape}]`)
  if (clip && clip.shape.join() !== clipType.shape.join())
    refuse(`clip is [${clip.shape}]; accepted: [${clipType.shape}]`)
}

function ratesOf({ data: [rate = 0, meanCorrection = 1, squareCorrection = 1] }: Tensor): StepRates {
  return { rate, meanCorrection, squareCorrection }
}

/** Refuses a share of an average that is not in [0, 1). */
export function checkShare(name: string, value: number, refuse: (what: string) => never): void {
  if (!(value >= 0 && value < 1)) refuse(`${name} is ${value}; accepted: 0 or more, below 1`)
}
