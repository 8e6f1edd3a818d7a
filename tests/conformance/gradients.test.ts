import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../../src/ir/build.ts'
import type { Graph } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import type { AnyOp, Composer, Operand, SampleInput } from '../../src/ir/op.ts'
import { type Tensor, tensor } from '../../src/ir/tensor.ts'
import { ops } from '../../src/ops/registry.ts'
import { seededRandom } from './random.ts'
import { randomTensor } from './randomTensor.ts'

/** Why an op has no vjp; all others are differentiated. */
const withoutVjp: { readonly [name: string]: string } = {
  adamW: 'belongs to the step of an optimizer',
  average: 'belongs to the step of an optimizer',
  cachedAttention: 'belongs to programs that keep a cache',
  cacheWrite: 'belongs to programs that keep a cache',
  carriedConvolution: 'belongs to programs that keep a state',
  carriedDeltaRule: 'belongs to programs that keep a state',
  cast: 'is put behind the gradients, by storeNarrow',
  clipScale: 'belongs to the step of an optimizer',
  constant: 'reads nothing',
  gradientNorm: 'belongs to the step of an optimizer',
  gradientSquares: 'belongs to the step of an optimizer',
  headLoss: 'is made behind the gradients, by fuseLoss',
  headLossGradients: 'is made behind the gradients, by fuseLoss',
  linearGlu: 'is taken apart',
  lion: 'belongs to the step of an optimizer',
  momentum: 'belongs to the step of an optimizer',
  muonMomentum: 'belongs to the step of an optimizer',
  muonUpdate: 'belongs to the step of an optimizer',
  quantize: 'is made behind the gradients, by quantizeActivations',
  residualRmsNorm: 'is taken apart',
  ropeTable: 'reads positions and constants of the config',
  sgd: 'belongs to the step of an optimizer',
  sumRows: 'is the gradient of a bias, and no gradient is differentiated again',
  unitNorm: 'belongs to the step of an optimizer',
  weightCopy: 'belongs to the step of an optimizer',
}

const all: readonly (readonly [string, AnyOp])[] = Object.entries(ops)
const differentiable = all.filter(([, op]) => op.vjp)

/** Elements above which a sample is left to the others: each costs four interpretations. */
const mostElements = 640

/** Step of the differences, and how far the gradient may be from them, of its largest element. */
const step = 1e-3
const bound = 1e-6

interface Case {
  readonly what: string
  readonly forward: Graph
  readonly backward: Graph
  /** The gradients by slot, as the backward graph calls them. */
  readonly gradients: ReadonlyMap<string, string>
  readonly values: ReadonlyMap<string, Tensor>
}

/** A sample as two graphs: the op by itself, and its vjp over the gradients of its outputs. */
function caseOf(op: AnyOp, sample: ReturnType<AnyOp['samples']>[number], seed: number): Case {
  const random = seededRandom(seed)
  const values = new Map<string, Tensor>()
  const graphs = ['forward', 'backward'].map((name) => {
    const g = new GraphBuilder(name)
    const inputs: { [slot: string]: Operand } = {}
    for (const [slot, type] of Object.entries(sample.inputs)) if (type) inputs[slot] = g.input(slot, type)
    const names = Object.fromEntries(op.outputs.map((slot) => [slot, `result.${slot}`]))
    const applied = g.apply(op, 'result', inputs, sample.attributes, names)
    const outputs: { readonly [slot: string]: Operand } =
      op.outputs.length === 1 ? { [op.outputs[0]!]: applied as Operand } : (applied as never)
    return { g, inputs, outputs }
  })
  const [forward, backward] = graphs as [(typeof graphs)[number], (typeof graphs)[number]]
  for (const [slot, type] of Object.entries(sample.inputs))
    if (type) values.set(slot, randomTensor(type, random).tensor)
  const given: { [slot: string]: Operand } = {}
  for (const [slot, { type }] of Object.entries(backward.outputs)) {
    given[slot] = backward.g.input(`given.${slot}`, type)
    values.set(`given.${slot}`, randomTensor(type as SampleInput, random).tensor)
    forward.g.output(forward.outputs[slot]!)
  }
  const composer: Composer = {
    apply: (rule, name, inputs, attributes) => backward.g.apply(rule, `grad.${name}`, inputs, attributes),
  }
  const found = op.vjp!(backward.inputs, backward.outputs, given, sample.attributes, composer)
  const gradients = new Map(Object.entries(found).map(([slot, gradient]) => [slot, gradient!.name]))
  for (const name of new Set(gradients.values())) backward.g.output({ name, type: { dtype: 'f32', shape: [] } })
  return { what: JSON.stringify(sample), forward: forward.g.finish(), backward: backward.g.finish(), gradients, values }
}

/** Σ given · output over all outputs. */
function scalarOf({ forward, values }: Case): number {
  let sum = 0
  for (const [name, { data }] of interpret(forward, ops, { given: (slot) => values.get(slot)! })) {
    const given = values.get(name.replace('result.', 'given.'))!
    data.forEach((value, i) => {
      sum += value * given.data[i]!
    })
  }
  return sum
}

/** The derivative by an element, by central differences of fourth order. */
function differenceOf(at: Case, slot: string, element: number): number {
  const original = at.values.get(slot)!
  const shifted = (steps: number) => {
    const data = Float64Array.from(original.data)
    data[element]! += steps * step
    return scalarOf({ ...at, values: new Map([...at.values, [slot, tensor(original.shape, data)]]) })
  }
  return (8 * (shifted(1) - shifted(-1)) - (shifted(2) - shifted(-2))) / (12 * step)
}

function smallCases(op: AnyOp): Case[] {
  return op
    .samples(4)
    .filter(({ inputs }) => {
      const types = Object.values(inputs) as SampleInput[]
      const elements = types.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
      return elements <= mostElements && types.every(({ dtype }) => dtype === 'f32' || dtype === 'i32')
    })
    .map((sample, seed) => caseOf(op, sample, seed))
}

describe('an op without a vjp', () => {
  it('says why', () => {
    const silent = all.filter(([, op]) => !op.vjp).map(([name]) => name)
    expect(silent.filter((name) => !name.endsWith('Backward')).toSorted()).toEqual(Object.keys(withoutVjp).toSorted())
  })

  it('is taken apart where the reason says so', () => {
    const apart = all.filter(([name]) => withoutVjp[name] === 'is taken apart')
    expect(apart.every(([, op]) => op.decompose !== undefined)).toBe(true)
  })
})

describe.each(differentiable)('the vjp of %s', (_name, op) => {
  const cases = smallCases(op)

  it('has small samples, and gives the gradient of every input of numbers in its shape', () => {
    expect(cases.length).toBeGreaterThan(0)
    for (const { what, forward, backward, gradients } of cases) {
      const numbers = forward.inputs.filter(
        ({ name, type }) => type.dtype === 'f32' && !(op.constants ?? []).includes(name),
      )
      expect([...gradients.keys()].toSorted(), what).toEqual(numbers.map(({ name }) => name).toSorted())
      for (const { name, type } of numbers) {
        const gradient = gradients.get(name)!
        const known = backward.types[gradient] ?? backward.inputs.find((input) => input.name === gradient)?.type
        expect(known, `${name} of ${what}`).toEqual({ dtype: type.dtype, shape: type.shape })
      }
    }
  })

  it('agrees with finite differences', () => {
    for (const at of cases) {
      const found = interpret(at.backward, ops, { given: (slot) => at.values.get(slot)! })
      for (const [slot, name] of at.gradients) {
        const gradient = found.get(name)!.data
        const expected = gradient.map((_, element) => differenceOf(at, slot, element))
        const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3)
        const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - gradient[i]!)), 0)
        expect(worst / largest, `${slot} of ${at.what}`).toBeLessThanOrEqual(bound)
      }
    }
  })
})
