import { bytesOf, dtypeFromSafetensors, dtypes, isWeightDtype, type WeightDtype, weightDtypes } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import { ByteReader } from './byteReader.ts'
import type { ByteSource } from './byteSource.ts'
import type { Json, TensorRecord } from './checkpoint.ts'
import { checkName, printable } from './names.ts'
import { asJsonObject, describeJson, findRepeatedKey, type JsonObject, parseJson } from './parseJson.ts'
import { checkWithinFile, countElements, type Extent, orderExtents } from './tensorExtent.ts'

// The format allows 100 MB, but JSON of that size can take more memory than Node has; a model of a hundred thousand
// tensors needs 12 MB.
const maxHeaderBytes = 16 * 2 ** 20
/** The header follows its own length, a 64-bit number. */
const prefixBytes = 8

const acceptedDtypes = weightDtypes.flatMap((dtype) => dtypes[dtype].safetensors ?? []).join(', ')

/** Header of one safetensors file. */
export interface SafetensorsHeader {
  /** `__metadata__`; empty where there is none. */
  readonly metadata: ReadonlyMap<string, string>
  readonly tensors: ReadonlyMap<string, TensorRecord>
  /** The header ends, and data begins, at this byte. */
  readonly headerBytes: number
}

/**
 * Reads and checks the header of a safetensors file: every tensor in range, of the size of its shape, and the data
 * covered without gap or overlap (specification: huggingface/safetensors, "Format"). Data is not touched. Positions and
 * masks of whole numbers that some exporters store are checked alike and left out. Refuses
 * `file_malformed` and `tensor_type_unsupported`.
 */
export function readSafetensors(source: ByteSource): SafetensorsHeader {
  const { path } = source
  const reader = new ByteReader(source, prefixBytes + maxHeaderBytes)
  const text = reader.text(reader.size('length of the header'), 'the header')
  const header = asJsonObject(path, parseJson(path, text, 'the header'), 'the header')
  const repeated = findRepeatedKey(text)
  if (repeated !== undefined) {
    fail('file_malformed', {
      path,
      what: `the header has '${printable(repeated)}' twice`,
      accepted: 'each tensor once',
    })
  }
  const begin = reader.position
  const metadata = readMetadata(path, header.__metadata__)
  const tensors = new Map<string, TensorRecord>()
  const extents: Extent[] = []
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const extent = readEntry(source, name, entry, begin)
    extents.push(extent)
    if ('dtype' in extent) tensors.set(name, extent)
  }
  checkCover(source, extents, begin)
  return { metadata, tensors, headerBytes: begin }
}

function readMetadata(path: string, value: Json | undefined): Map<string, string> {
  const metadata = new Map<string, string>()
  if (value === undefined) return metadata
  for (const [key, item] of Object.entries(asJsonObject(path, value, '__metadata__'))) {
    if (typeof item !== 'string') {
      fail('file_malformed', {
        path,
        what: `__metadata__ has '${printable(key)}' as ${describeJson(item)}`,
        accepted: 'strings',
      })
    }
    metadata.set(key, item)
  }
  return metadata
}

function readEntry(source: ByteSource, name: string, value: Json, begin: number): TensorRecord | Extent {
  const { path } = source
  checkName(path, 'a tensor', name)
  const entry = asJsonObject(path, value, `tensor '${name}'`)
  const unknown = Object.keys(entry).find((key) => !['dtype', 'shape', 'data_offsets'].includes(key))
  if (unknown !== undefined) {
    fail('file_malformed', {
      path,
      what: `tensor '${name}' has the field '${printable(unknown)}'`,
      accepted: 'dtype, shape, data_offsets',
    })
  }
  const buffer = bufferBytes(name, entry.dtype)
  const dtype = buffer === undefined ? readDtype(path, name, entry.dtype) : undefined
  const shape = readSizes(path, name, entry, 'shape')
  const offsets = readSizes(path, name, entry, 'data_offsets')
  const elements = countElements(path, name, shape)
  const bytes = dtype ? bytesOf(dtype, elements) : buffer! * elements
  const [from, to] = offsets
  if (offsets.length !== 2 || from === undefined || to === undefined || to - from !== bytes) {
    fail('file_malformed', {
      path,
      what: `tensor '${name}' has data_offsets [${offsets.join(', ')}]`,
      accepted: `begin and end of the ${bytes} bytes of ${dtype ?? entry.dtype} [${shape.join(', ')}]`,
    })
  }
  const extent = { name, offset: begin + from, bytes }
  checkWithinFile(path, extent, source.size)
  return dtype ? { ...extent, dtype, shape, file: path } : extent
}

/** Whole numbers that PyTorch modules store beside their weights, and that follow from the config. */
const bufferNames = /(^|\.)(position_ids|token_type_ids|attn\.(masked_)?bias)$/
const integerBytes: { readonly [dtype: string]: number } = { BOOL: 1, U8: 1, I8: 1, I32: 4, I64: 8 }

/** Bytes of an element where the entry is such a buffer, which is no tensor for us. */
function bufferBytes(name: string, dtype: Json | undefined): number | undefined {
  return typeof dtype === 'string' && bufferNames.test(name) ? integerBytes[dtype] : undefined
}

function readDtype(path: string, tensor: string, value: Json | undefined): WeightDtype {
  const dtype = typeof value === 'string' ? dtypeFromSafetensors(value) : undefined
  if (dtype !== undefined && isWeightDtype(dtype)) return dtype
  const found = typeof value === 'string' ? printable(value) : describeJson(value)
  fail('tensor_type_unsupported', { path, tensor, found, accepted: acceptedDtypes })
}

function readSizes(path: string, tensor: string, entry: JsonObject, field: 'shape' | 'data_offsets'): number[] {
  const value = entry[field]
  const sizes = Array.isArray(value) ? value.filter((item) => Number.isSafeInteger(item) && item >= 0) : []
  if (Array.isArray(value) && sizes.length === value.length && sizes.length <= maxDims) return sizes
  fail('file_malformed', {
    path,
    what: `tensor '${tensor}' has ${describeJson(value)} as ${field}`,
    accepted: `an array of at most ${maxDims} whole numbers from 0 to 2^53`,
  })
}

// More than any weight has; bounds what a message prints.
const maxDims = 8

function checkCover(source: ByteSource, extents: readonly Extent[], begin: number): void {
  let end = begin
  for (const { name, offset, bytes } of orderExtents(source.path, extents)) {
    if (offset !== end) {
      fail('file_malformed', {
        path: source.path,
        at: end,
        what: `no tensor has the ${offset - end} bytes before tensor '${name}'`,
        accepted: 'tensors that cover the data without gaps',
      })
    }
    end = offset + bytes
  }
  if (end === source.size) return
  fail('file_malformed', {
    path: source.path,
    at: end,
    what: `the tensors end here, and ${source.size - end} bytes follow`,
    accepted: 'tensors that cover the data without gaps',
  })
}
