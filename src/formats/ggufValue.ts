import { fail } from '../base/errors.ts'
import type { MetadataType, MetadataValue } from './checkpoint.ts'
import { type GgufValueType, ggufValueTypes } from './ggufTypes.ts'
import { checkName } from './names.ts'

type SmallInteger = 'uint8' | 'int8' | 'uint16' | 'int16' | 'uint32' | 'int32'

/** A metadata value with the type that it shall have in a GGUF file. */
export type GgufValue =
  | { readonly type: SmallInteger | 'float32' | 'float64'; readonly value: number }
  | { readonly type: 'uint64' | 'int64'; readonly value: number | bigint }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | GgufArray

/** A size as GGUF files have it. */
export function countValue(value: number): GgufValue {
  return { type: 'uint32', value }
}

/** An array of values of one type. Arrays of arrays hold typed arrays. */
export type GgufArray =
  | { readonly type: 'array'; readonly of: SmallInteger | 'float32' | 'float64'; readonly value: ArrayLike<number> }
  | { readonly type: 'array'; readonly of: 'uint64' | 'int64'; readonly value: readonly (number | bigint)[] }
  | { readonly type: 'array'; readonly of: 'bool'; readonly value: readonly boolean[] }
  | { readonly type: 'array'; readonly of: 'string'; readonly value: readonly string[] }
  | { readonly type: 'array'; readonly of: 'array'; readonly value: readonly GgufArray[] }

/** A value that was read from a GGUF file, to be written as it was. */
export function storedValue(value: MetadataValue, { type, items }: MetadataType): GgufValue {
  // The reader made the value by this very type.
  return type === 'array' ? storedArray(value, items) : ({ type, value } as GgufValue)
}

function storedArray(value: MetadataValue, [of = 'uint8', ...inner]: MetadataType['items']): GgufArray {
  if (of !== 'array') return { type: 'array', of, value } as GgufArray
  return { type: 'array', of, value: (value as readonly MetadataValue[]).map((item) => storedArray(item, inner)) }
}

/** A key, its type and its value as GGUF has them. Refuses `config_invalid` for a value that its type does not hold. */
export function encodeKey(path: string, key: string, value: GgufValue): Buffer {
  const refuse = (found: string, accepted: string) => fail('config_invalid', { path, key, found, accepted })
  checkName(path, 'a key', key)
  return Buffer.concat([encodeText(key), encodeU32(typeNumber(value.type)), encodeValue(value, refuse)])
}

/** Length and UTF-8 bytes. */
export function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8')
  return Buffer.concat([encodeU64(bytes.length), bytes])
}

export function encodeU32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

export function encodeU64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

type Refuse = (found: string, accepted: string) => never

function encodeValue(value: GgufValue, refuse: Refuse): Buffer {
  switch (value.type) {
    case 'bool':
      return Buffer.from([value.value ? 1 : 0])
    case 'string':
      if (/\p{Surrogate}/u.test(value.value)) refuse('a string with half a surrogate pair', 'Unicode text')
      return encodeText(value.value)
    case 'array':
      return encodeArray(value, refuse)
    default:
      return encodeNumbers(value.type, [value.value], refuse)
  }
}

function encodeArray(array: GgufArray, refuse: Refuse): Buffer {
  const head = [encodeU32(typeNumber(array.of)), encodeU64(array.value.length)]
  switch (array.of) {
    case 'array':
      return Buffer.concat([...head, ...array.value.map((item) => encodeArray(item, refuse))])
    case 'string':
      return Buffer.concat([...head, ...array.value.map((value) => encodeValue({ type: 'string', value }, refuse))])
    case 'bool':
      return Buffer.concat([...head, Buffer.from(array.value.map(Number))])
    default:
      return Buffer.concat([...head, encodeNumbers(array.of, array.value, refuse)])
  }
}

function encodeNumbers(type: NumberType, values: ArrayLike<number | bigint>, refuse: Refuse): Buffer {
  const { bytes, range, write } = numberTypes[type]
  const out = Buffer.alloc(bytes * values.length)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    const isWhole = typeof value === 'bigint' || Number.isSafeInteger(value)
    if (range && (!isWhole || value < range[0] || value > range[1])) {
      refuse(`${value} as ${type}`, `whole numbers from ${range[0]} to ${range[1]}, exact`)
    }
    write(out, value, bytes * i)
  }
  return out
}

type NumberType = Exclude<GgufValueType, 'bool' | 'string' | 'array'>

interface NumberRow {
  readonly bytes: number
  /** Smallest and largest value; absent: floating point. */
  readonly range?: readonly [bigint, bigint]
  readonly write: (out: Buffer, value: number | bigint, at: number) => void
}

const numberTypes: { readonly [T in NumberType]: NumberRow } = {
  uint8: { bytes: 1, range: unsignedRange(8n), write: (out, value, at) => out.writeUInt8(Number(value), at) },
  int8: { bytes: 1, range: signedRange(8n), write: (out, value, at) => out.writeInt8(Number(value), at) },
  uint16: { bytes: 2, range: unsignedRange(16n), write: (out, value, at) => out.writeUInt16LE(Number(value), at) },
  int16: { bytes: 2, range: signedRange(16n), write: (out, value, at) => out.writeInt16LE(Number(value), at) },
  uint32: { bytes: 4, range: unsignedRange(32n), write: (out, value, at) => out.writeUInt32LE(Number(value), at) },
  int32: { bytes: 4, range: signedRange(32n), write: (out, value, at) => out.writeInt32LE(Number(value), at) },
  uint64: { bytes: 8, range: unsignedRange(64n), write: (out, value, at) => out.writeBigUInt64LE(BigInt(value), at) },
  int64: { bytes: 8, range: signedRange(64n), write: (out, value, at) => out.writeBigInt64LE(BigInt(value), at) },
  float32: { bytes: 4, write: (out, value, at) => out.writeFloatLE(Number(value), at) },
  float64: { bytes: 8, write: (out, value, at) => out.writeDoubleLE(Number(value), at) },
}

function unsignedRange(bits: bigint): readonly [bigint, bigint] {
  return [0n, 2n ** bits - 1n]
}

function signedRange(bits: bigint): readonly [bigint, bigint] {
  return [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n]
}

function typeNumber(type: GgufValueType): number {
  return ggufValueTypes.findIndex((row) => row.name === type)
}
