import { weightDtypes } from '../../src/base/dtypes.ts'
import { GraphBuilder } from '../../src/ir/build.ts'
import type { Graph } from '../../src/ir/graph.ts'
import type { AnyOp, Operand, Sample } from '../../src/ir/op.ts'
import type { Tensor } from '../../src/ir/tensor.ts'
import { type Isa, isas } from '../../src/kernels/kernel.ts'
import { kernels } from '../../src/kernels/registry.ts'
import { ops } from '../../src/ops/registry.ts'
import { TraceReader } from '../../src/parity/traceReader.ts'
import { lower } from '../../src/plan/lower.ts'
import { packWeights } from '../../src/plan/packWeights.ts'
import { planMemory } from '../../src/plan/planMemory.ts'
import { planThreads } from '../../src/plan/planThreads.ts'
import { type Call, callsOf, type Program } from '../../src/plan/program.ts'
import { verifyProgram } from '../../src/plan/verifyProgram.ts'
import type { KernelRunner } from './kernelCall.ts'
import { place } from './placement.ts'
import type { RandomTensor } from './randomTensor.ts'
import { bindDims, runProgram } from './runProgram.ts'

/**
 * A graph of one node whose inputs are called like the op's slots: caches and what it advances are states, matrices weights,
 * the rest inputs. It has no outputs, for a view cannot be one: a trace keeps every value.
 */
export function opGraph(op: AnyOp, sample: Sample<string, never>): Graph {
  const g = new GraphBuilder(op.name)
  const operands: Record<string, Operand> = {}
  const states = Object.values(op.advances ?? {})
  for (const [slot, type] of Object.entries(sample.inputs)) {
    if (!type) continue
    if (type.shape.length === 4 || states.includes(slot)) operands[slot] = g.state(slot, type)
    else if (slot === 'w' || op.inputs[slot]!.length === weightDtypes.length) operands[slot] = g.weight(slot, type)
    else operands[slot] = g.input(slot, type)
  }
  const names = Object.fromEntries(op.outputs.map((slot) => [slot, `result.${slot}`]))
  g.apply(op, 'result', operands, sample.attributes, names)
  return g.finish()
}

/** Lowers a graph of one node and runs it through the kernels of an ISA. Gives the outputs by slot. */
export async function runOpGraph(
  graph: Graph,
  inputs: { readonly [slot: string]: RandomTensor },
  isa: Isa,
  runner: KernelRunner,
  parts: number,
): Promise<{ [slot: string]: Tensor }> {
  const { lanes } = isas[isa]
  const bounds = {}
  // Every value in bytes of its own, as in a trace, so that inputs and views can be read.
  const program = lower(graph, ops, { mode: 'trace', bounds, lanes })
  const plan = planMemory([program])
  verifyProgram(planThreads(program, plan), plan)
  const memory = new Uint8Array(plan.memoryBytes).fill(0xff)
  for (const buffer of plan.buffers.trace!) {
    const bytes = inputs[buffer.name]?.bytes
    if (bytes) memory.set(inLayout(program, buffer.name, bytes, lanes), buffer.offset)
  }
  const rowsOf = (name: string) => inputs[name]!.tensor.shape[0]!
  const read = (name: string, _dtype: unknown, from: number, count: number) => {
    const { bytes } = inputs[name]!
    const row = bytes.length / rowsOf(name)
    return bytes.subarray(from * row, (from + count) * row)
  }
  const weights = new Uint8Array(Buffer.concat([...packWeights(plan, lanes, rowsOf, read)]))
  runProgram(runner, { program, plan, symbols: {}, memory, weights, parts })
  const reader = new TraceReader(graph, program, plan, isa, 0, async (offset, bytes) =>
    memory.slice(offset, offset + bytes),
  )
  const outputs: { [slot: string]: Tensor } = {}
  for (const [slot, value] of Object.entries(graph.nodes[0]!.outputs)) outputs[slot] = await reader.read(value)
  return outputs
}

/** Dense bytes in the layout in which the program's kernels take this buffer. */
function inLayout(program: Program, name: string, dense: Uint8Array, lanes: number): Uint8Array {
  for (const { call } of callsOf(program.steps)) {
    const argument = argumentAt(call, name)
    const parameter = argument === undefined ? undefined : kernels.get(call.kernel)!.buffers[argument]!
    if (parameter?.layout) return place(parameter, bindDims(call, {}), lanes, dense)
  }
  return dense
}

function argumentAt(call: Call, buffer: string): string | undefined {
  return Object.keys(call.buffers).find((argument) => {
    const at = call.buffers[argument]
    return at?.in === 'memory' && at.buffer === buffer
  })
}
