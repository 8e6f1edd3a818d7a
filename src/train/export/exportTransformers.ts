import { join } from 'node:path'
import { decodeTensor } from '../../base/dtypes.ts'
import { fail } from '../../base/errors.ts'
import { makeFolder } from '../../base/makeFolder.ts'
import { orRefuseWrite } from '../../base/orRefuseWrite.ts'
import type { Checkpoint } from '../../formats/checkpoint.ts'
import type { TensorStream } from '../../formats/tensorData.ts'
import { streamSafetensors } from '../../formats/writeSafetensors.ts'
import { readConfig, readModel } from '../../templates/readModel.ts'
import { transformersModel } from '../../templates/transformersModel.ts'
import { readRows } from '../../templates/weightRows.ts'
import { rowsAndColsOf, type WeightSource } from '../../templates/weightSource.ts'
import { weightsFile, weightsMetadata, writeBesides } from '../../templates/writeTransformers.ts'
import { folderExtras } from './folderExtras.ts'

/** Values that are decoded at once. */
const pieceValues = 2 ** 20

/** What is told of a long export. */
export interface ExportOptions {
  readonly signal?: AbortSignal
  /** Told which share of the values is written, 0 to 1. */
  readonly onProgress?: (done: number) => void
}

/** What was written. */
export interface Exported {
  readonly tensors: number
  /** Values of all tensors. */
  readonly parameters: number
}

/**
 * Writes a checkpoint of any source as a transformers folder: the model in f32 by the names of transformers' own class, which
 * loads it with the same logits, and the tokenizer. One tensor is held at a time. Refuses `transformers_lacks` for what
 * config.json has no place for, `tokenizer_invalid`, `tensor_values`, `aborted` and `write_failed`.
 */
export async function exportTransformers(
  checkpoint: Checkpoint,
  out: string,
  { signal, onProgress }: ExportOptions = {},
): Promise<Exported> {
  const { template, config } = readConfig(checkpoint)
  const { sources, sizes } = readModel(checkpoint)
  const valuesOf = (weight: string) => readWeight(checkpoint, weight, sources.get(weight))
  const model = transformersModel(template, config, (weight) => [
    ...(sources.has(weight) ? valuesOf(weight) : unusedVector(checkpoint, weight)),
  ])
  // What refuses does so before anything is written.
  const extras = folderExtras(checkpoint, sizes.context)
  const parameters = model.tensors.reduce((sum, { shape }) => sum + elementsOf(shape), 0)
  let done = 0
  const streams = model.tensors.map(({ name, shape, encode }): TensorStream => {
    return {
      ...{ name, shape, dtype: 'f32' },
      async *data() {
        // Signals arrive between tensors.
        await new Promise(setImmediate)
        if (signal?.aborted) fail('aborted', { what: out })
        yield new Uint8Array(encode(valuesOf).buffer)
        done += elementsOf(shape)
        onProgress?.(done / parameters)
      },
    }
  })
  orRefuseWrite(out, () => makeFolder(out))
  await streamSafetensors(join(out, weightsFile), streams, weightsMetadata)
  writeBesides(out, model, extras)
  return { tensors: streams.length, parameters }
}

function readWeight(checkpoint: Checkpoint, weight: string, source: WeightSource | undefined): Float32Array {
  if (!source) fail('graph_invalid', { where: weight, what: 'is no weight of this model' })
  const { rows, cols } = rowsAndColsOf(source)
  const values = new Float32Array(rows * cols)
  const most = Math.max(1, Math.floor(pieceValues / cols))
  for (let row = 0; row < rows; row += most) {
    const bytes = readRows(checkpoint, weight, source, 'f32', row, Math.min(most, rows - row))
    values.set(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4), row * cols)
  }
  return values
}

/** A vector of a GGUF file that its model does not read at this length of text, and another would. */
function unusedVector(checkpoint: Checkpoint, name: string): Float64Array {
  const tensor = checkpoint.tensors.get(name)
  if (!tensor) fail('tensor_missing', { path: checkpoint.path, tensor: name, shape: 'of a vector' })
  return decodeTensor(tensor.dtype, checkpoint.read(tensor), elementsOf(tensor.shape))
}

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1)
}
