import { beforeAll, describe, expect, it } from 'vitest'
import { inferTypes } from '../../src/ir/build.ts'
import { type TensorType, valueTypes } from '../../src/ir/graph.ts'
import { evaluateNode } from '../../src/ir/interpret.ts'
import type { AnyOp } from '../../src/ir/op.ts'
import { verifyGraph } from '../../src/ir/verify.ts'
import { isas } from '../../src/kernels/kernel.ts'
import { ops } from '../../src/ops/registry.ts'
import { compareTensors, isWithin } from '../../src/parity/difference.ts'
import { openKernels } from './buildKernels.ts'
import type { KernelRunner } from './kernelCall.ts'
import { kernelTargets } from './kernelTargets.ts'
import { opGraph, runOpGraph } from './opGraph.ts'
import { seededRandom } from './random.ts'
import { type RandomTensor, randomTensor } from './randomTensor.ts'

const all: readonly (readonly [string, AnyOp])[] = Object.entries(ops)
const lanesOfAll = [...new Set(Object.values(isas).map(({ lanes }) => lanes))]

/** Vectors of numbers belong to columns, vectors of indices to tokens. */
function isPerToken({ dtype, shape }: TensorType): boolean {
  return shape.length > 1 || dtype === 'i32'
}

function casesOf(op: AnyOp, lanes: number) {
  return op.samples(lanes).map((sample, seed) => {
    const random = seededRandom(seed)
    const graph = verifyGraph(opGraph(op, sample as never), ops)
    const inputs: { [slot: string]: RandomTensor } = {}
    for (const [slot, type] of Object.entries(sample.inputs)) if (type) inputs[slot] = randomTensor(type, random)
    const tensors = Object.fromEntries(Object.entries(inputs).map(([slot, { tensor }]) => [slot, tensor]))
    const expected = evaluateNode(graph.nodes[0]!, valueTypes(graph), ops, tensors)
    return { sample, graph, inputs, expected, what: JSON.stringify(sample) }
  })
}

describe.each(all)('%s', (name, op) => {
  it('is registered under its name, and is defined by a reference or by other ops', () => {
    expect(op.name).toBe(name)
    expect(op.reference === undefined).not.toBe(op.decompose === undefined)
  })

  it('has samples and refusals', () => {
    for (const lanes of lanesOfAll) expect(op.samples(lanes).length).toBeGreaterThan(0)
    expect(op.refusals.length).toBeGreaterThan(0)
  })

  it('gives results of the shapes that infer says', () => {
    for (const { graph, expected, what } of casesOf(op, 4)) {
      for (const [slot, value] of Object.entries(graph.nodes[0]!.outputs)) {
        expect(expected[slot]!.shape, what).toEqual(graph.types[value]!.shape)
        expect(expected[slot]!.data.every(Number.isFinite), what).toBe(true)
      }
      expect(Object.keys(expected), what).toEqual([...op.outputs])
    }
  })

  it('infers the same with a symbol for the first axis', () => {
    for (const { graph } of casesOf(op, 4)) {
      const rows = Object.values(graph.types)[0]!.shape[0]!
      // A type without weights and states, whose first axis is the number of tokens.
      if (graph.weights.length > 0 || graph.states.length > 0) continue
      // Nor can a size be a symbol that an input has as another axis.
      if (graph.inputs.some(({ type }) => type.shape.slice(1).includes(rows))) continue
      // Nor one that an attribute says.
      if (Object.values(graph.nodes[0]!.attributes).includes(rows)) continue
      const symbolic = Object.fromEntries(
        graph.inputs.map(({ name: input, type }) => [
          input,
          {
            name: input,
            type: {
              ...type,
              shape: type.shape.map((dim, at) => (at === 0 && dim === rows && isPerToken(type) ? 'tokens' : dim)),
            },
          },
        ]),
      )
      const types = inferTypes(op, 'result', symbolic, graph.nodes[0]!.attributes)
      expect(Object.values(types).map(({ shape }) => shape.slice(1))).toEqual(
        Object.values(graph.types).map(({ shape }) => shape.slice(1)),
      )
    }
  })

  it.each(op.refusals.map((refusal) => [refusal.says, refusal] as const))(
    'refuses: %s',
    (says, { inputs, attributes }) => {
      const operands = Object.fromEntries(
        Object.entries(inputs).map(([slot, type]) => [slot, { name: slot, type: type! }]),
      )
      expect(() => inferTypes(op, 'here', operands, attributes)).toThrow(says)
      expect(() => inferTypes(op, 'here', operands, attributes)).toThrow(`here: ${name}: `)
    },
  )
})

for (const target of kernelTargets.filter(({ name, only }) => !only && !/sanitizers|vnni|dotprod/.test(name))) {
  const title = `lowered to the kernels of ${target.name}${target.missing ? ` (${target.missing})` : ''}`
  describe.skipIf(target.missing)(title, () => {
    let runner: KernelRunner

    beforeAll(async () => {
      runner = await openKernels(target)
      return () => runner.close()
    })

    it.each(all)('%s keeps its tolerance', async (_name, op) => {
      for (const [at, { graph, inputs, expected, what }] of casesOf(op, target.lanes).entries()) {
        const found = await runOpGraph(graph, inputs, target.isa, runner, 1 + (at % 3))
        for (const slot of op.outputs) {
          const difference = compareTensors(expected[slot]!, found[slot]!)
          expect(isWithin(difference, op.tolerance), `${slot} of ${what}: ${JSON.stringify(difference)}`).toBe(true)
        }
      }
    })
  })
}
