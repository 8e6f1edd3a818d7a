import { availableParallelism } from 'node:os'
import { fail } from '../base/errors.ts'
import type { TensorStream } from '../formats/tensorData.ts'
import { streamGguf } from '../formats/writeGguf.ts'
import { openEncodePool } from '../quantize/encodePool.ts'
import { encodeTensor } from '../quantize/encodeTensor.ts'
import { randomState } from '../quantize/randomValues.ts'
import type { RecipeName } from '../quantize/recipes.ts'
import { randomModel } from './randomModel.ts'
import type { ShapeName } from './shapes.ts'

/** How a random model is written. */
export interface RandomModelOptions {
  readonly seed: bigint
  /** Default: the cores. Changes no byte. */
  readonly threads?: number
  readonly signal?: AbortSignal
  /** Told which share of the values is written, 0 to 1. */
  readonly onProgress?: (done: number) => void
}

/**
 * Writes a random model as a GGUF file, encoded without search: scales then follow from the extreme values, which costs
 * random weights nothing. Equal bytes for equal seeds. Gives the number of tensors. Refuses `write_failed` and `aborted`.
 */
export async function writeRandomModel(
  out: string,
  shape: ShapeName,
  recipe: RecipeName,
  { seed, threads, signal, onProgress }: RandomModelOptions,
): Promise<number> {
  const { metadata, tensors } = randomModel(shape, recipe)
  const elementsOf = (dims: readonly number[]) => dims.reduce((product, dim) => product * dim, 1)
  const all = tensors.reduce((sum, tensor) => sum + elementsOf(tensor.shape), 0)
  let done = 0
  const onValues = (values: number) => {
    done += values
    onProgress?.(done / all)
    if (signal?.aborted) fail('aborted', { what: out })
  }
  const pool = openEncodePool(threads ?? availableParallelism())
  try {
    const streams = tensors.map((tensor, index): TensorStream => {
      const { values } = tensor
      const rowsOf = (from: number) =>
        'spread' in values
          ? ({ from: 'random', state: randomState(seed, index, from), spread: values.spread } as const)
          : ({ from: 'bytes', dtype: 'f32', bytes: new Uint8Array(Float32Array.from(values).buffer) } as const)
      const job = { ...tensor, path: out, rowsOf, isSearch: false }
      return { ...tensor, data: () => encodeTensor(pool, job, onValues) }
    })
    await streamGguf(out, metadata, streams)
  } finally {
    await pool.close()
  }
  return tensors.length
}
