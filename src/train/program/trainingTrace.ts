import { decodeTensor, dtypes } from '../../base/dtypes.ts'
import { type TensorType, typeOf, valueTypes } from '../../ir/graph.ts'
import { type Tensor, tensor } from '../../ir/tensor.ts'
import { copiedWeight } from '../../passes/copyWeights.ts'
import type { Model } from '../../templates/readModel.ts'
import {
  type CompiledTraining,
  type CompileTrainingOptions,
  compileTraining,
  type TracedGraph,
} from './compileTraining.ts'
import type { Trainer } from './trainer.ts'

/** A compiled trace of the gradients of a step. */
export type TrainingTrace = CompiledTraining & { readonly traced: TracedGraph }

/**
 * Compiles the gradients of a model as one program `trace`, in which every value of its graph has a place of its own, so that
 * all of them can be read behind a step. Takes the memory of all values together.
 */
export async function compileTrainingTrace(
  model: Model,
  name: string,
  options: Omit<CompileTrainingOptions, 'trace' | 'update' | 'memory' | 'accumulates'>,
): Promise<TrainingTrace> {
  const compiled = await compileTraining(model, name, { ...options, trace: true })
  return { ...compiled, traced: compiled.traced! }
}

/** A value of a trace, or an input or a weight of it, as it lies in the memory of its trainer. */
export function readTraced(
  trainer: Trainer,
  { graph, places }: TracedGraph,
  value: string,
  shape: readonly number[],
): Tensor {
  const { buffer, column, columns, rowStride } = places.get(value)!
  const all = numbersOf(trainer, buffer, typeOf(graph, value)!)
  const out = tensor(shape)
  const rows = shape[0] ?? 1
  for (let row = 0; row < rows; row++) {
    const from = row * rowStride + column
    out.data.set(all.subarray(from, from + columns), row * columns)
  }
  return out
}

/** The numbers of a buffer, which are those of a value's type. */
function numbersOf(trainer: Trainer, buffer: string, { dtype }: TensorType): Float32Array | Float64Array {
  if (dtype === 'f32') return trainer.values(buffer)
  const bytes = trainer.bytes(buffer)
  const { blockBytes, blockElements } = dtypes[dtype]
  return decodeTensor(dtype, bytes, Math.floor(bytes.length / blockBytes) * blockElements)
}

/** What of a step is not finite first. */
export interface NonFinite {
  /** The value, in the model's own names, and the op that makes it. */
  readonly value: string
  readonly op: string
  /** A weight that the op reads and that is not finite itself. */
  readonly weight?: string
}

/**
 * Runs a trace whose weights and inputs are given, and finds the first node of its graph with a value that is not finite;
 * undefined where all are.
 */
export async function firstNonFinite(trainer: Trainer, { graph, places }: TracedGraph): Promise<NonFinite | undefined> {
  await trainer.run('trace')
  const isWeight = new Set(graph.states.map(({ name }) => name))
  const types = valueTypes(graph)
  const isAllFinite = (value: string) => {
    const { buffer, column, columns, rowStride } = places.get(value)!
    const all = numbersOf(trainer, buffer, types.get(value)!)
    for (let row = 0; row + column < all.length; row += rowStride)
      for (let i = row + column; i < row + column + columns; i++) if (!Number.isFinite(all[i]!)) return false
    return true
  }
  for (const node of graph.nodes) {
    const value = Object.values(node.outputs).find((name) => !isAllFinite(name))
    if (value === undefined) continue
    const weight = Object.values(node.inputs).find((name) => isWeight.has(name) && !isAllFinite(name))
    return { value, op: node.op, ...(weight === undefined ? {} : { weight: copiedWeight(weight) }) }
  }
  return undefined
}
