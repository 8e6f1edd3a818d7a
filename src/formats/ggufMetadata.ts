import { fail } from '../base/errors.ts'
import type { ByteReader } from './byteReader.ts'
import type { MetadataType, MetadataValue } from './checkpoint.ts'
import { type GgufValueType, ggufLimits, ggufValueTypes } from './ggufTypes.ts'
import { checkName, printable } from './names.ts'

// The specification allows so many bytes; which of them make a good name is checked once they are read.
const maxKeyBytes = 65535

/** How deep a value stands in arrays, and what the whole header had so far. */
interface Nesting {
  readonly depth: number
  readonly counter: { arrays: number; items: number }
  /** Item types of this value's arrays so far. */
  readonly itemTypes: GgufValueType[]
}

/** The key/value pairs of a header in their order, and how they are stored. */
export interface Metadata {
  readonly metadata: ReadonlyMap<string, MetadataValue>
  readonly types: ReadonlyMap<string, MetadataType>
}

/** Reads the `count` key/value pairs of a GGUF header. Refuses `file_malformed` with key and byte offset. */
export function readMetadata(reader: ByteReader, count: number): Metadata {
  // Key length, value type and one byte of value.
  reader.needItems(count, 13, 'the metadata table')
  checkLimit(reader, count, 'keys', ggufLimits.keys)
  const metadata = new Map<string, MetadataValue>()
  const types = new Map<string, MetadataType>()
  const counter = { arrays: 0, items: 0 }
  for (let i = 0; i < count; i++) {
    const at = reader.position
    const key = readName(reader, `key ${i}`)
    if (metadata.has(key)) {
      fail('file_malformed', {
        path: reader.source.path,
        at,
        what: `key '${key}' occurs twice`,
        accepted: 'each key once',
      })
    }
    const type = readType(reader, `key '${key}'`)
    const itemTypes: GgufValueType[] = []
    metadata.set(key, readValue(reader, type, `key '${key}'`, { depth: 0, counter, itemTypes }))
    types.set(key, { type, items: itemTypes })
  }
  return { metadata, types }
}

/** Refuses `file_malformed` where a file has more keys or tensors than `limit`. */
export function checkLimit(reader: ByteReader, count: number, what: string, limit: number): void {
  if (count <= limit) return
  fail('file_malformed', {
    path: reader.source.path,
    what: `the file has ${count} ${what}`,
    accepted: `at most ${limit}`,
  })
}

/** Reads a key or a tensor name: UTF-8 after its 64-bit length. */
export function readName(reader: ByteReader, what: string): string {
  const bytes = reader.size(`length of ${what}`)
  if (bytes < 1 || bytes > maxKeyBytes) {
    fail('file_malformed', {
      path: reader.source.path,
      at: reader.position - 8,
      what: `the name of ${what} has ${bytes} bytes`,
      accepted: `1 to ${maxKeyBytes} bytes`,
    })
  }
  const name = reader.text(bytes, `the name of ${what}`)
  checkName(reader.source.path, what, name, reader.position - bytes)
  return name
}

/** A value for a message, cut to a few words. */
export function describeValue(value: MetadataValue | undefined): string {
  if (value === undefined) return 'missing'
  if (typeof value === 'string') return `"${printable(value)}"`
  return typeof value === 'object' ? `an array of ${value.length} items` : String(value)
}

function readType(reader: ByteReader, what: string): GgufValueType {
  const id = reader.u32(`type of ${what}`)
  const row = ggufValueTypes[id]
  if (row) return row.name
  fail('file_malformed', {
    path: reader.source.path,
    at: reader.position - 4,
    what: `${what} has value type ${id}`,
    accepted: `0 to ${ggufValueTypes.length - 1} (${ggufValueTypes.map((type) => type.name).join(', ')})`,
  })
}

function readValue(reader: ByteReader, type: GgufValueType, what: string, nesting: Nesting): MetadataValue {
  switch (type) {
    case 'uint8':
      return reader.u8(what)
    case 'int8':
      return reader.i8(what)
    case 'uint16':
      return reader.u16(what)
    case 'int16':
      return reader.i16(what)
    case 'uint32':
      return reader.u32(what)
    case 'int32':
      return reader.i32(what)
    case 'float32':
      return reader.f32(what)
    case 'float64':
      return reader.f64(what)
    case 'uint64':
      return reader.u64(what)
    case 'int64':
      return reader.i64(what)
    case 'bool':
      return readBool(reader, what)
    case 'string':
      return reader.text(reader.size(what), what)
    case 'array':
      return readArray(reader, what, { ...nesting, depth: nesting.depth + 1 })
    default:
      return type satisfies never
  }
}

function readBool(reader: ByteReader, what: string): boolean {
  const value = reader.u8(what)
  if (value <= 1) return value === 1
  fail('file_malformed', {
    path: reader.source.path,
    at: reader.position - 1,
    what: `${what} is a bool of value ${value}`,
    accepted: '0 or 1',
  })
}

function readArray(reader: ByteReader, what: string, nesting: Nesting): MetadataValue {
  nesting.counter.arrays++
  const isTooDeep = nesting.depth > ggufLimits.arrayDepth
  if (isTooDeep || nesting.counter.arrays > ggufLimits.arrays) {
    fail('file_malformed', {
      path: reader.source.path,
      at: reader.position,
      what: isTooDeep ? `${what} nests arrays too deep` : `${what} has one array too many`,
      accepted: `at most ${ggufLimits.arrayDepth} levels, and ${ggufLimits.arrays} arrays in a file`,
    })
  }
  const type = readType(reader, `the items of ${what}`)
  // Arrays of one depth have items of one type in every file that is; the first one speaks for all.
  if (nesting.itemTypes.length < nesting.depth) nesting.itemTypes.push(type)
  const count = reader.size(`item count of ${what}`)
  const itemBytes = ggufValueTypes.find((row) => row.name === type)!.bytes
  reader.needItems(count, itemBytes, what)
  switch (type) {
    case 'uint8':
      return reader.bytes(count, what)
    case 'int8':
      return new Int8Array(reader.bytes(count, what).buffer)
    case 'uint16':
      return new Uint16Array(reader.bytes(2 * count, what).buffer)
    case 'int16':
      return new Int16Array(reader.bytes(2 * count, what).buffer)
    case 'uint32':
      return new Uint32Array(reader.bytes(4 * count, what).buffer)
    case 'int32':
      return new Int32Array(reader.bytes(4 * count, what).buffer)
    case 'float32':
      return new Float32Array(reader.bytes(4 * count, what).buffer)
    case 'float64':
      return new Float64Array(reader.bytes(8 * count, what).buffer)
    case 'string': {
      countItems(reader, nesting, count, what)
      const values: string[] = []
      const item = () => `item ${values.length} of ${what}`
      for (let i = 0; i < count; i++) values.push(reader.text(reader.size(item), item))
      return values
    }
    case 'bool':
    case 'uint64':
    case 'int64':
    case 'array': {
      countItems(reader, nesting, count, what)
      const values: MetadataValue[] = []
      for (let i = 0; i < count; i++) values.push(readValue(reader, type, what, nesting))
      return values
    }
    default:
      return type satisfies never
  }
}

function countItems(reader: ByteReader, { counter }: Nesting, count: number, what: string): void {
  counter.items += count
  if (counter.items <= ggufLimits.items) return
  fail('file_malformed', {
    path: reader.source.path,
    at: reader.position,
    what: `${what} has ${count} items`,
    accepted: `at most ${ggufLimits.items} strings, bools, 64-bit numbers and arrays in the arrays of a file`,
  })
}
