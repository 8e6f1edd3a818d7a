import type { Checkpoint } from '../formats/checkpoint.ts'
import { type Graph, valueTypes } from '../ir/graph.ts'
import { evaluateNode } from '../ir/interpret.ts'
import type { Tolerance } from '../ir/op.ts'
import type { Tensor } from '../ir/tensor.ts'
import type { Isa } from '../kernels/kernel.ts'
import { ops } from '../ops/registry.ts'
import type { MemoryPlan } from '../plan/planMemory.ts'
import type { Program } from '../plan/program.ts'
import type { Model } from '../templates/readModel.ts'
import { weightTensor } from '../templates/weightRows.ts'
import { compareTensors, type Difference, isWithin } from './difference.ts'
import { interpretLogits } from './interpretModel.ts'
import { type Peek, TraceReader } from './traceReader.ts'

/** One op of the compiled graph against its reference. */
export interface OpParity {
  readonly op: string
  /** The value that the op makes, in the model's own names. */
  readonly value: string
  /** Against the reference on the very inputs that the kernel had: the op's own error. */
  readonly own: Difference
  readonly tolerance: Tolerance
  readonly isWithin: boolean
  /** Against the float64 run of the whole model: what has gathered up to here. Absent for values that only fused ops have. */
  readonly gathered?: Difference
}

export interface ParityReport {
  readonly tokens: number
  readonly ops: readonly OpParity[]
  /** The first op outside its tolerance; absent where there is none. */
  readonly firstDivergence?: OpParity
}

/** A model that was built with `trace`, after one step over `ids`. */
export interface TracedRun {
  readonly checkpoint: Checkpoint
  readonly model: Model
  /** The graph after all passes, and its trace program. */
  readonly graph: Graph
  readonly program: Program
  readonly plan: MemoryPlan
  readonly isa: Isa
  readonly ids: readonly number[]
  readonly peek: Peek
}

/** Compares every op of a trace step with its float64 reference, in the order of execution. */
export async function compareTrace(run: TracedRun): Promise<ParityReport> {
  const { checkpoint, model, graph, program, plan, isa, ids, peek } = run
  const reader = new TraceReader(graph, program, plan, isa, ids.length, peek)
  const types = valueTypes(graph)
  const weights = new Map(graph.weights.map((weight) => [weight.name, weight]))
  const exact = new Map<string, Tensor>()
  interpretLogits(checkpoint, model, ids, (name, value) => exact.set(name, value))
  const rows: OpParity[] = []
  const read = (name: string): Promise<Tensor> | Tensor => {
    const weight = weights.get(name)
    return weight ? weightTensor(checkpoint, model, weight.sources, weight.type.shape.map(Number)) : reader.read(name)
  }
  for (const node of graph.nodes) {
    const inputs: Record<string, Tensor> = {}
    for (const [slot, name] of Object.entries(node.inputs)) inputs[slot] = await read(name)
    const expected = evaluateNode(node, types, ops, inputs)
    const { tolerance } = ops[node.op as keyof typeof ops]
    for (const [slot, value] of Object.entries(node.outputs)) {
      const found = await reader.read(value)
      const own = compareTensors(expected[slot]!, found)
      const whole = exact.get(value)
      const gathered =
        whole && whole.data.length === found.data.length ? { gathered: compareTensors(whole, found) } : {}
      rows.push({ op: node.op, value, own, tolerance, isWithin: isWithin(own, tolerance), ...gathered })
    }
  }
  const first = rows.find((row) => !row.isWithin)
  return { tokens: ids.length, ops: rows, ...(first ? { firstDivergence: first } : {}) }
}

/** One sentence on a divergence: op, value (with its layer), token, element, both numbers. */
export function describeDivergence({ op, value, own, tolerance }: OpParity): string {
  const { row, element, expected, found } = own.worst
  const allowed = tolerance.nmse === undefined ? `${tolerance.relative} epsilons` : `an NMSE of ${tolerance.nmse}`
  const error =
    tolerance.nmse === undefined ? `${own.epsilons.toFixed(1)} epsilons` : `an NMSE of ${own.nmse.toExponential(2)}`
  return `${value} (${op}) is off by ${error}, allowed ${allowed}; worst at token ${row}, element ${element}: ${found} instead of ${expected}`
}
