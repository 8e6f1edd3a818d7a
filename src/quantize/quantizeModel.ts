import { availableParallelism } from 'node:os'
import { basename } from 'node:path'
import type { WeightDtype } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import type { GgufValue } from '../formats/ggufValue.ts'
import type { TensorStream } from '../formats/tensorData.ts'
import { streamGguf } from '../formats/writeGguf.ts'
import { openEncodePool } from './encodePool.ts'
import { encodeTensor } from './encodeTensor.ts'
import type { ImportanceMatrix } from './importance.ts'
import { modelSource, type SourceTensor } from './modelSource.ts'
import { planTensors, type TensorRule } from './planTensors.ts'
import { type RecipeName, recipes } from './recipes.ts'

/** How a checkpoint is quantised. */
export interface QuantizeOptions {
  readonly recipe: RecipeName
  readonly rules?: readonly TensorRule[]
  readonly importance?: ImportanceMatrix
  /** Default: the cores. Changes no byte. */
  readonly threads?: number
  readonly signal?: AbortSignal
  /** Told which share of the values is written, 0 to 1. */
  readonly onProgress?: (done: number) => void
}

/** What was written. */
export interface Quantized {
  readonly tensors: readonly { readonly name: string; readonly from: WeightDtype; readonly dtype: WeightDtype }[]
  /** Values of all tensors. */
  readonly parameters: number
}

/** Layout of the block formats, as llama.cpp counts its versions. */
const quantizationVersion = 2

/**
 * Writes a checkpoint as a GGUF file with its matrices in the formats of a recipe; metadata and tokenizer are kept. Holds a few
 * pieces of tensors at a time. Refuses as `planTensors`, `tensor_values` for values that are not finite, `aborted`, and as
 * `streamGguf`; the file has its name only once it is whole.
 */
export async function quantizeModel(checkpoint: Checkpoint, out: string, options: QuantizeOptions): Promise<Quantized> {
  const { path } = checkpoint
  const { importance, rules = [], signal, onProgress } = options
  const recipe = recipes[options.recipe]
  const source = modelSource(checkpoint)
  const facts = { headsPerValue: source.headsPerValue, isWeighted: importance !== undefined }
  const plan = planTensors(source.tensors, recipe, { path, rules, ...facts })
  const metadata: Record<string, GgufValue> = {
    ...source.metadata,
    'general.file_type': { type: 'uint32', value: recipe.fileType },
    'general.quantization_version': { type: 'uint32', value: quantizationVersion },
    ...(importance ? importanceKeys(importance) : {}),
  }
  const parameters = source.tensors.reduce((sum, { shape }) => sum + elementsOf(shape), 0)
  let done = 0
  const onValues = (values: number) => {
    done += values
    onProgress?.(done / parameters)
    if (signal?.aborted) fail('aborted', { what: out })
  }
  const pool = openEncodePool(options.threads ?? availableParallelism())
  try {
    const streams = source.tensors.map((tensor): TensorStream => {
      const dtype = plan.get(tensor.name)!
      const columns = importance && columnsOf(tensor, importance)
      const rowsOf = (from: number, count: number) =>
        ({ from: 'bytes', dtype: tensor.dtype, bytes: tensor.read(from, count) }) as const
      const job = { ...tensor, path, dtype, rowsOf, isSearch: true, ...(columns ? { columns } : {}) }
      return { ...tensor, dtype, data: () => encodeTensor(pool, job, onValues) }
    })
    await streamGguf(out, metadata, streams)
  } finally {
    await pool.close()
  }
  const tensors = source.tensors.map(({ name, dtype }) => ({ name, from: dtype, dtype: plan.get(name)! }))
  return { tensors, parameters }
}

/** The importance of a tensor's columns, [matrices, cols]; absent where the file has none. */
function columnsOf({ name, shape }: SourceTensor, { path, columns }: ImportanceMatrix): Float32Array | undefined {
  const found = columns.get(name)
  if (!found) return undefined
  const cols = shape.at(-1)!
  const matrices = shape.length > 2 ? elementsOf(shape.slice(0, -2)) : 1
  if (found.length === cols || found.length === matrices * cols) return found
  const accepted = `${cols} for each of ${matrices} matrices of shape [${shape.slice(-2).join(', ')}]`
  return fail('tensor_shape', { path, tensor: name, found: `[${found.length}]`, accepted })
}

function importanceKeys({ path, chunks, columns }: ImportanceMatrix): Record<string, GgufValue> {
  return {
    'quantize.imatrix.file': { type: 'string', value: basename(path) },
    'quantize.imatrix.entries_count': { type: 'uint32', value: columns.size },
    'quantize.imatrix.chunks_count': { type: 'uint32', value: chunks },
  }
}

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1)
}
