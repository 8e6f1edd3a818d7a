import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Optimizer } from '../../src/base/optimizers.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { type Tensor, tensor } from '../../src/ir/tensor.ts'
import { ops } from '../../src/ops/registry.ts'
import type { TrainedWeight } from '../../src/passes/trainedWeights.ts'
import { updateGraph } from '../../src/passes/updateGraph.ts'
import { lower } from '../../src/plan/lower.ts'
import { planMemory } from '../../src/plan/planMemory.ts'
import { planThreads } from '../../src/plan/planThreads.ts'
import { verifyProgram } from '../../src/plan/verifyProgram.ts'
import { stepRates } from '../../src/train/rates.ts'
import { rateFactor, type Schedule } from '../../src/train/schedules.ts'
import { openKernels } from '../conformance/buildKernels.ts'
import type { KernelRunner } from '../conformance/kernelCall.ts'
import { kernelTargets } from '../conformance/kernelTargets.ts'
import { runProgram } from '../conformance/runProgram.ts'

type Values = { readonly [weight: string]: readonly number[] }

interface Run {
  readonly name: string
  readonly optimizer: Optimizer
  readonly clip?: number
  readonly average?: number
  /** The weights after these steps. */
  readonly values: { readonly [step: string]: Values }
  readonly norms: readonly number[]
  /** The moving averages after the last step. */
  readonly averages?: Values
}

/** What oracles/optimizers.py recorded. */
const golden: {
  readonly steps: number
  readonly shapes: { readonly [weight: string]: readonly number[] }
  readonly decay: { readonly [weight: string]: number }
  readonly runs: readonly Run[]
  readonly schedules: readonly { readonly schedule: Schedule; readonly factors: readonly number[] }[]
} = JSON.parse(readFileSync(new URL('optimizers.json', import.meta.url), 'utf8'))

const weights = Object.entries(golden.shapes).map(
  ([name, shape]): TrainedWeight => ({
    name,
    type: { dtype: 'f32', shape },
    role: shape.length === 2 ? 'matrix' : 'vector',
  }),
)

/** The oracle's pseudo-random numbers: a linear congruential generator, rounded to f32. */
function numbers(seed: number, shape: readonly number[]): Tensor {
  let state = seed
  const next = () => {
    state = Number((1664525n * BigInt(state) + 1013904223n) % 4294967296n)
    return Math.fround(state / 2 ** 31 - 1)
  }
  return tensor(shape, Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next))
}

/** What a step of a run is given: inputs by name. */
function inputsOf({ optimizer }: Run, step: number): Map<string, Tensor> {
  const factor = [0.125, 1, 0.5][step % 3]!
  const gradients = weights.map(({ name }, at): [string, Tensor] => {
    const { shape, data } = numbers(1000 * step + at + 7, golden.shapes[name]!)
    return [
      `${name}.grad`,
      tensor(
        shape,
        data.map((value) => value * factor),
      ),
    ]
  })
  const rates = stepRates(optimizer, step + 1, 0.02 * (1 - step / 40))
  return new Map([...gradients, ['rates', tensor([1, 3], rates)]])
}

const graphOf = ({ optimizer, clip, average }: Run) =>
  updateGraph(weights, {
    optimizer,
    group: ({ name }) => ({ decay: golden.decay[name]!, rate: 1 }),
    norm: true,
    ...(clip === undefined ? {} : { clip }),
    ...(average === undefined ? {} : { average }),
  })

/** A state before the first step: weights and their averages begin as the weight, all others as 0. */
function beginning(name: string, shape: readonly number[]): Tensor {
  const at = weights.findIndex((weight) => name === weight.name || name === `${weight.name}.average`)
  return at < 0 ? tensor(shape) : numbers(at + 1, shape)
}

/** How a step is computed: takes the inputs, changes the states, gives the norm. */
type Step = (inputs: ReadonlyMap<string, Tensor>, states: Map<string, Tensor>) => number

/** The largest errors of a run, relative to the largest number of each tensor: of weights and averages, and of norms. */
function follow(run: Run, step: Step): { values: number; norms: number } {
  const graph = graphOf(run)
  const states = new Map(graph.states.map(({ name, type }) => [name, beginning(name, type.shape.map(Number))]))
  const errors = { values: 0, norms: 0 }
  const compare = (expected: Values, stateOf: (weight: string) => string) => {
    for (const [weight, values] of Object.entries(expected)) {
      const { data } = states.get(stateOf(weight))!
      const largest = Math.max(...values.map(Math.abs))
      const error = Math.max(...values.map((value, i) => Math.abs(value - data[i]!))) / largest
      errors.values = Math.max(errors.values, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error)
    }
  }
  for (let at = 0; at < golden.steps; at++) {
    const norm = step(inputsOf(run, at), states)
    errors.norms = Math.max(errors.norms, Math.abs(norm / run.norms[at]! - 1))
    const expected = run.values[at + 1]
    if (expected) compare(expected, (weight) => weight)
  }
  if (run.averages) compare(run.averages, (weight) => `${weight}.average`)
  return errors
}

/** A step in float64. */
function interpretedStep(run: Run): Step {
  const graph = graphOf(run)
  return (inputs, states) => {
    const versions = new Map<string, Tensor>()
    const outputs = interpret(graph, ops, {
      given: (name) => inputs.get(name) ?? states.get(name)!,
      visit: (name, value) => versions.set(name, value),
    })
    for (const name of [...states.keys()]) {
      const next = versions.get(`${name}.next`)
      if (next) states.set(name, next)
    }
    return outputs.get('norm')!.data[0]!
  }
}

/** A step through the kernels of a target, in `parts` parts; the states stay where the plan has put them. */
function loweredStep(run: Run, runner: KernelRunner, parts: number): Step {
  const lowered = lower(graphOf(run), ops, { mode: 'prefill', bounds: {}, lanes: runner.lanes })
  const plan = planMemory([lowered])
  const program = verifyProgram(planThreads(lowered, plan), plan)
  const memory = new Uint8Array(plan.memoryBytes).fill(0xff)
  const buffers = plan.buffers.prefill!
  const floats = (name: string) => {
    const { offset, bytes } = buffers.find((buffer) => buffer.name === name)!
    return new Float32Array(memory.buffer, offset, bytes / 4)
  }
  let isBegun = false
  return (inputs, states) => {
    if (!isBegun) for (const [name, { data }] of states) floats(name).set(data)
    isBegun = true
    for (const [name, { data }] of inputs) floats(name).set(data)
    runProgram(runner, { program, plan, symbols: {}, memory, weights: new Uint8Array(0), parts })
    for (const [name, { shape }] of states) states.set(name, tensor(shape, Float64Array.from(floats(name))))
    return floats('norm')[0]!
  }
}

describe('updates in float64', () => {
  it.each(golden.runs.map((run) => [run.name, run] as const))('are those of the oracle: %s', (_name, run) => {
    const errors = follow(run, interpretedStep(run))
    expect(errors.values).toBeLessThan(1e-12)
    expect(errors.norms).toBeLessThan(1e-12)
  })

  it('change nothing by gradients that are not finite, where they are clipped', () => {
    for (const run of clippedRuns) expectUntouched(run, interpretedStep(run), new Map(isolatedStates(run)))
  })
})

// Every target's kernels are compared one by one in tests/conformance; whole steps, on the best one of this machine.
for (const target of kernelTargets.filter((it) => it.how === 'library' && !it.only && !it.missing).slice(-1)) {
  describe(`updates on ${target.name}`, () => {
    let runner: KernelRunner
    beforeAll(async () => {
      runner = await openKernels(target)
      return () => runner.close()
    })

    it.each(golden.runs.map((run) => [run.name, run] as const))('follow the oracle within f32: %s', (_name, run) => {
      const errors = follow(run, loweredStep(run, runner, 2))
      expect(errors.values).toBeLessThan(run.optimizer.kind === 'muon' ? 2e-6 : 1e-6)
      expect(errors.norms).toBeLessThan(3e-7)
    })

    it('show a number that is none in the norm, whichever gradient has it', () => {
      const run = golden.runs[0]!
      for (const { name } of weights) {
        for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
          const inputs = inputsOf(run, 0)
          inputs.get(`${name}.grad`)!.data[5] = bad
          const states = new Map(isolatedStates(run))
          expect(Number.isFinite(loweredStep(run, runner, 2)(inputs, states)), `${bad} in ${name}`).toBe(false)
          const rows = weights.map((weight) => states.get(`${weight.name}.squares`)!.data.every(Number.isFinite))
          expect(rows).toEqual(weights.map((weight) => weight.name !== name))
        }
      }
    })

    it('change no weight and nothing that an optimizer keeps by gradients that are not finite, where they are clipped', () => {
      for (const run of clippedRuns) {
        const states = new Map(isolatedStates(run))
        expectUntouched(run, loweredStep(run, runner, 2), states)
      }
    })
  })
}

/** A run of each optimizer, clipped. */
const clippedRuns = golden.runs
  .filter(({ optimizer: { kind } }, at) => golden.runs.findIndex((run) => run.optimizer.kind === kind) === at)
  .map((run) => ({ ...run, clip: 1 }))

/** Takes a step, and then one with a gradient that is not finite, which must leave all but the sums of squares. */
function expectUntouched(run: Run, step: Step, states: Map<string, Tensor>): void {
  step(inputsOf(run, 0), states)
  for (const bad of [Number.NaN, Number.NEGATIVE_INFINITY]) {
    const before = new Map(states)
    const inputs = inputsOf(run, 1)
    inputs.get(`${weights[0]!.name}.grad`)!.data[3] = bad
    expect(Number.isFinite(step(inputs, states))).toBe(false)
    for (const [name, { data }] of before) {
      if (!/\.(squares|average)$/.test(name)) expect(states.get(name)!.data, `${name}, ${run.name}`).toEqual(data)
    }
  }
}

const isolatedStates = (run: Run) =>
  graphOf(run).states.map(({ name, type }) => [name, beginning(name, type.shape.map(Number))] as const)

describe('schedules', () => {
  it.each(golden.schedules.map((each) => [JSON.stringify(each.schedule), each] as const))(
    'give the rates of transformers: %s',
    (_name, { schedule, factors }) => {
      factors.forEach((factor, step) => {
        expect(Math.abs(rateFactor(schedule, step) - factor), `step ${step}`).toBeLessThan(1e-15)
      })
    },
  )

  it('stay at the last rate beyond the last step', () => {
    for (const kind of ['linear', 'cosine'] as const)
      expect(rateFactor({ kind, warmup: 2, steps: 10, final: 0.1 }, 25)).toBeCloseTo(0.1, 15)
    expect(rateFactor({ kind: 'wsd', warmup: 2, decay: 3, steps: 10, final: 0.1, shape: 'root' }, 25)).toBeCloseTo(
      0.1,
      15,
    )
  })

  it('have rates between 0 and the peak, and no warm-up where it has no steps', () => {
    for (const { schedule } of golden.schedules) {
      for (let step = 0; step < 50; step++) {
        const factor = rateFactor(schedule, step)
        expect(factor).toBeGreaterThanOrEqual(0)
        expect(factor).toBeLessThanOrEqual(1)
      }
      if (schedule.warmup === 0) expect(rateFactor(schedule, 0)).toBe(1)
    }
  })
})

describe('rates', () => {
  it('have the bias corrections of AdamW, and ones where there is none', () => {
    const shares = { beta1: 0.9, beta2: 0.99, eps: 1e-8 }
    expect(stepRates({ kind: 'adamW', ...shares }, 1, 0.5)[1]).toBeCloseTo(0.1, 15)
    expect(stepRates({ kind: 'adamW', ...shares }, 2, 0.5)[2]).toBeCloseTo(Math.sqrt(1 - 0.99 ** 2), 15)
    expect(stepRates({ kind: 'lion', beta1: 0.9, beta2: 0.99 }, 7, 0.5)).toEqual([0.5, 1, 1])
  })
})
