import { bytesOf, type WeightDtype } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import { chatTemplateKeys } from '../chat/readChatTemplate.ts'
import type { Checkpoint, TensorRecord } from '../formats/checkpoint.ts'
import { type GgufValue, storedValue } from '../formats/ggufValue.ts'
import { ConfigReader } from '../templates/configReader.ts'
import { templates } from '../templates/readModel.ts'
import { readTokenizer } from '../tokenizer/readTokenizer.ts'
import { writeGgufTokenizer } from '../tokenizer/writeGgufTokenizer.ts'
import type { NamedShape } from './planTensors.ts'

/** A tensor by its GGUF name. */
export interface SourceTensor extends NamedShape {
  readonly dtype: WeightDtype
  /** The bytes of `count` rows from row `from` on, in a buffer of their own; rows are those of all axes but the last. */
  read(from: number, count: number): Uint8Array
}

/** A checkpoint as a GGUF file would have it. */
export interface ModelSource {
  readonly metadata: Readonly<Record<string, GgufValue>>
  readonly tensors: readonly SourceTensor[]
  /** Query heads that share a head of keys and values. */
  readonly headsPerValue: number
}

/** Keys that speak of the files that were read. */
const ownKeys = /^split\./

/** What a GGUF file of this checkpoint holds. Refuses what a transformers folder has that GGUF files have no place for. */
export function modelSource(checkpoint: Checkpoint): ModelSource {
  const { description } = checkpoint
  if (description.format === 'transformers') return fromTransformers(checkpoint)
  const { metadata, types } = description
  const kept = [...metadata].filter(([key]) => !ownKeys.test(key))
  return {
    metadata: Object.fromEntries(kept.map(([key, value]) => [key, storedValue(value, types.get(key)!)])),
    tensors: [...checkpoint.tensors.values()].map((record) => storedTensor(checkpoint, record.name, record)),
    headsPerValue: headsPerValue(
      metadata.get(`${checkpoint.architecture}.attention.head_count`),
      metadata.get(`${checkpoint.architecture}.attention.head_count_kv`),
    ),
  }
}

/** 1 where a file does not say, or has a list with a number for every layer. */
function headsPerValue(heads: unknown, values: unknown): number {
  return typeof heads === 'number' && typeof values === 'number' && values > 0 ? heads / values : 1
}

function storedTensor(
  checkpoint: Checkpoint,
  name: string,
  record: TensorRecord,
  rowOf: (row: number) => number = (row) => row,
): SourceTensor {
  const { dtype, shape } = record
  const rowBytes = bytesOf(dtype, shape.at(-1)!)!
  return {
    name,
    shape,
    dtype,
    read(from, count) {
      const out = new Uint8Array(count * rowBytes)
      for (let row = 0; row < count; ) {
        // Neighbours are read together.
        let run = 1
        while (row + run < count && rowOf(from + row + run) === rowOf(from + row) + run) run++
        const into = out.subarray(row * rowBytes, (row + run) * rowBytes)
        checkpoint.read(record, rowOf(from + row) * rowBytes, run * rowBytes, into)
        row += run
      }
      return out
    },
  }
}

function fromTransformers(checkpoint: Checkpoint): ModelSource {
  const { path, architecture, description } = checkpoint
  const template = templates.find(({ transformers }) => transformers.includes(architecture))
  if (!template) {
    const accepted = templates.flatMap(({ transformers }) => transformers).join(', ')
    return fail('architecture_unknown', { path, found: architecture, accepted })
  }
  const config = template.config.transformers(new ConfigReader(checkpoint))
  const { metadata, rowOf } = template.toGguf(config)
  const tensors = template.weights(config).map((spec): SourceTensor => {
    if (spec.values) return valuesTensor(spec.gguf, spec.shape, spec.values)
    const record = checkpoint.tensors.get(spec.transformers)
    const shape = `[${spec.shape.join(', ')}]`
    if (!record) return fail('tensor_missing', { path, tensor: spec.transformers, shape })
    if (record.shape.join() !== spec.shape.join()) {
      fail('tensor_shape', {
        path,
        tensor: spec.transformers,
        found: `[${record.shape.join(', ')}]`,
        accepted: shape,
      })
    }
    return storedTensor(checkpoint, spec.gguf, record, (row) => rowOf(spec.name, row))
  })
  const tokenizer = readTokenizer(description, path)
  const { vocabulary } = template.sizes(config)
  const family = template.gguf[0]!
  return {
    metadata: {
      'general.architecture': { type: 'string', value: family },
      'general.name': { type: 'string', value: checkpoint.name },
      ...metadata,
      ...(tokenizer ? { ...writeGgufTokenizer(tokenizer, vocabulary), ...chatTemplateKeys(description, path) } : {}),
    },
    tensors,
    headsPerValue: headsPerValue(
      metadata[`${family}.attention.head_count`]?.value,
      metadata[`${family}.attention.head_count_kv`]?.value,
    ),
  }
}

function valuesTensor(name: string, shape: readonly number[], values: readonly number[]): SourceTensor {
  const cols = shape.at(-1)!
  return {
    name,
    shape,
    dtype: 'f32',
    read: (from, count) => new Uint8Array(Float32Array.from(values.slice(from * cols, (from + count) * cols)).buffer),
  }
}
