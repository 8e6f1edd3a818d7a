import { crc32c } from './crc32c.ts'

// What TensorBoard reads: records (tensorflow/core/lib/io/record_writer.h) of Event messages (tensorflow/core/util/event.proto,
// core/framework/summary.proto and tensor.proto) in Protocol Buffers' wire format.

/** Something that a training tells at a step. */
export type Told =
  | { readonly scalars: Readonly<Record<string, number>> }
  | { readonly tag: string; readonly text: string }

/** A message's fields, as bytes. */
type Fields = readonly Buffer[]

/** Wire types of fields. */
const wire = { varint: 0, double: 1, bytes: 2, float: 5 } as const

/** The first record of a file, which says what the others are. */
export const versionEvent = (seconds: number) => event(seconds, 0, [text(3, 'brain.Event:2')])

/** A session begins at this step: what earlier files of the folder say of it and of later steps is dropped. */
export const startEvent = (seconds: number, step: number) => event(seconds, step, [message(7, [whole(1, 1)])])

/** Numbers or a text at a step; `seconds` since 1970. */
export function toldEvent(seconds: number, step: number, told: Told): Buffer {
  const values =
    'scalars' in told
      ? Object.entries(told.scalars).map(([tag, value]) => message(1, [text(1, tag), float(2, value)]))
      : [message(1, [text(1, told.tag), message(9, textPlugin), message(8, textTensor(told.text))])]
  return event(seconds, step, [message(5, values)])
}

/** Length, its sum, the bytes, their sum. */
export function eventRecord(data: Buffer): Buffer {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(data.length))
  return Buffer.concat([length, masked(length), data, masked(data)])
}

/** The format stores sums turned and shifted, for data that itself holds sums. */
function masked(bytes: Uint8Array): Buffer {
  const sum = crc32c(bytes)
  const out = Buffer.alloc(4)
  out.writeUInt32LE((((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0)
  return out
}

const textPlugin: Fields = [message(1, [text(1, 'text')])]

/** A tensor of one string: type 7, shape [1]. */
const textTensor = (value: string): Fields => [whole(1, 7), message(2, [message(2, [whole(1, 1)])]), text(8, value)]

function event(seconds: number, step: number, what: Fields): Buffer {
  return Buffer.concat([double(1, seconds), whole(2, step), ...what])
}

function key(field: number, type: number): Buffer {
  return varint((field << 3) | type)
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.from([...bytes, rest])
}

function whole(field: number, value: number): Buffer {
  return Buffer.concat([key(field, wire.varint), varint(value)])
}

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return Buffer.concat([key(field, wire.double), bytes])
}

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return Buffer.concat([key(field, wire.float), bytes])
}

function message(field: number, fields: Fields): Buffer {
  const bytes = Buffer.concat(fields)
  return Buffer.concat([key(field, wire.bytes), varint(bytes.length), bytes])
}

function text(field: number, value: string): Buffer {
  return message(field, [Buffer.from(value)])
}
