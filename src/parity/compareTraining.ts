import { type Graph, type TensorType, valueTypes } from '../ir/graph.ts'
import { evaluateNode, interpret } from '../ir/interpret.ts'
import type { Tensor } from '../ir/tensor.ts'
import { ops } from '../ops/registry.ts'
import type { OpParity } from './compareTrace.ts'
import { compareTensors, isWithin } from './difference.ts'

/**
 * What an op's own NMSE may be in any case. Tolerances of ops are those of their samples, of few rows; a gradient of a weight adds
 * up thousands, which round one by one and partly cancel. A wrong element among a million is far above it.
 */
const summing = 1e-10

/** A step of a training program of which every value can be read. */
export interface TracedStep {
  /** The graph that was lowered. */
  readonly graph: Graph
  /** A value as the program has it. */
  readonly read: (value: string, type: TensorType) => Tensor
  /** Weights and inputs as exactly as they are known. */
  readonly given: (name: string, type: TensorType) => Tensor
}

/**
 * Compares every op of a training step, forward and backward, with its float64 reference on the values that it read, in the
 * order of execution; `gathered` is how far its value is from that of the whole graph in float64.
 */
export function compareTrainingTrace({ graph, read, given }: TracedStep): readonly OpParity[] {
  const types = valueTypes(graph)
  const rows: OpParity[] = []
  const found = (value: string) => read(value, types.get(value)!)
  interpret(graph, ops, {
    given,
    visit: (value, exact, node) => {
      const [slot = '', first] = Object.entries(node.outputs).find(([, name]) => name === value) ?? []
      if (first === undefined) return
      const inputs = Object.fromEntries(Object.entries(node.inputs).map(([name, input]) => [name, found(input)]))
      const { tolerance } = ops[node.op as keyof typeof ops]
      const own = compareTensors(evaluateNode(node, types, ops, inputs)[slot]!, found(value))
      rows.push({
        ...{ op: node.op, value, own, tolerance, isWithin: isWithin(own, tolerance) || own.nmse <= summing },
        gathered: compareTensors(exact, found(value)),
      })
    },
  })
  return rows
}
