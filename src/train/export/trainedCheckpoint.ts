import { createHash } from 'node:crypto'
import { fail } from '../../base/errors.ts'
import type { Checkpoint, TensorRecord } from '../../formats/checkpoint.ts'
import { readModel } from '../../templates/readModel.ts'
import type { TransformRule } from '../../templates/transforms.ts'
import type { WeightSource } from '../../templates/weightSource.ts'

/** Weights in training, by our names. */
export interface TrainedWeights {
  readonly names: ReadonlySet<string>
  /** The values of one, row by row as its template shapes it; the memory may be the training's own. */
  valuesOf(name: string): Float32Array
}

/** A weight in the tensor that stores it. */
interface Part {
  readonly weight: string
  /** Where it begins among the tensor's elements. */
  readonly from: number
  readonly source: StoredSource
}

type StoredSource = Extract<WeightSource, { from: 'tensor' }>

/**
 * The checkpoint that a training began with, as it were with the values of its weights: the same description, and the same
 * tensors, those in training in f32. What was transposed or computed on the way to our weights is undone. Weights
 * are asked for when a tensor is read, one tensor at a time; `base` must stay open, and is not closed with it.
 */
export function trainedCheckpoint(base: Checkpoint, trained: TrainedWeights, path = base.path): Checkpoint {
  const parts = partsOf(base, trained.names)
  const records = new Map([...base.tensors].map(([name, tensor]) => [name, parts.has(name) ? asF32(tensor) : tensor]))
  let held: { readonly name: string; readonly bytes: Uint8Array } | undefined
  const bytesOf = (name: string): Uint8Array => {
    if (held?.name !== name) {
      const values = encodeTensor(base.tensors.get(name)!, parts.get(name)!, trained)
      held = { name, bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) }
    }
    return held.bytes
  }
  return {
    ...{ path, description: base.description, architecture: base.architecture, name: base.name, tensors: records },
    read(tensor, from = 0, bytes = tensor.bytes - from, into?) {
      if (!parts.has(tensor.name)) return base.read(tensor, from, bytes, into)
      const begin = tensor.offset + from
      const found = bytesOf(tensor.name).subarray(begin, begin + bytes)
      if (found.length < bytes || from + bytes > tensor.bytes)
        fail('engine_failed', { what: `${path}: tensor '${tensor.name}' was asked for more bytes than it has` })
      const out = into ? into.subarray(0, bytes) : new Uint8Array(bytes)
      out.set(found)
      return out
    },
    fingerprint() {
      const hash = createHash('sha256').update(base.fingerprint())
      for (const name of parts.keys()) hash.update(name).update(bytesOf(name))
      return hash.digest('hex')
    },
    close() {
      held = undefined
    },
  }
}

/** The names of the tensors that hold these weights. Refuses as `trainedCheckpoint`. */
export function trainedTensors(base: Checkpoint, names: ReadonlySet<string>): ReadonlySet<string> {
  return new Set(partsOf(base, names).keys())
}

/** The weights in training that each tensor holds. Refuses `graph_invalid` for a name that no weight has, `tensor_missing` where some of a tensor's weights are not among them. */
function partsOf(base: Checkpoint, names: ReadonlySet<string>): ReadonlyMap<string, readonly Part[]> {
  const parts = new Map<string, Part[]>()
  const others = new Map<string, string>()
  const { sources } = readModel(base)
  const stranger = [...names].find((name) => !sources.has(name))
  if (stranger !== undefined) fail('graph_invalid', { where: stranger, what: 'is no weight of the model' })
  for (const [weight, source] of sources) {
    if (source.from !== 'tensor') continue
    const { tensor: part } = source
    const whole = base.tensors.get(part.name)!
    const from = ((part.offset - whole.offset) / whole.bytes) * elementsOf(whole)
    if (names.has(weight)) parts.set(part.name, [...(parts.get(part.name) ?? []), { weight, from, source }])
    else others.set(part.name, weight)
  }
  for (const name of parts.keys()) {
    const weight = others.get(name)
    const shape = `[${base.tensors.get(name)!.shape.join(', ')}]`
    if (weight !== undefined)
      fail('tensor_missing', { path: base.path, tensor: weight, shape: `of a part of ${shape}` })
  }
  return parts
}

/** Parts of a tensor are told by their offset in it. */
function asF32(tensor: TensorRecord): TensorRecord {
  return { ...tensor, dtype: 'f32', offset: 0, bytes: 4 * elementsOf(tensor) }
}

function encodeTensor(tensor: TensorRecord, parts: readonly Part[], trained: TrainedWeights): Float32Array {
  const [only] = parts
  const isWhole = parts.length === 1 && only !== undefined
  if (isWhole) return encodePart(only, trained)
  const out = new Float32Array(elementsOf(tensor))
  for (const part of parts) out.set(encodePart(part, trained), part.from)
  return out
}

/** The values as the tensor stores them; the memory of the weight itself where they are the same. */
function encodePart({ weight, source: { tensor, transform } }: Part, { valuesOf }: TrainedWeights): Float32Array {
  const values = valuesOf(weight)
  if (values.length !== elementsOf(tensor)) {
    const found = `of ${values.length} values`
    fail('tensor_shape', { path: weight, tensor: tensor.name, found, accepted: `[${tensor.shape.join(', ')}]` })
  }
  const placed = transform?.isTransposed ? transposed(values, tensor.shape) : values
  const back = inverseOf(transform)
  return back ? placed.map(back) : placed
}

function inverseOf(transform: TransformRule | undefined): ((value: number) => number) | undefined {
  return transform?.value && transform.stored
}

/** Values of `[cols, rows]` in the order of `[rows, cols]`. */
function transposed(values: Float32Array, [rows = 0, cols = 0]: readonly number[]): Float32Array {
  const out = new Float32Array(values.length)
  for (let row = 0; row < rows; row++)
    for (let col = 0; col < cols; col++) out[row * cols + col] = values[col * rows + row]!
  return out
}

function elementsOf({ shape }: Pick<TensorRecord, 'shape'>): number {
  return shape.reduce((product, dim) => product * dim, 1)
}
