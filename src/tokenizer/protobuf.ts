/** One field of a protobuf message: a whole number (varint), 4 or 8 bytes as they are, or the bytes of text and messages. */
export interface ProtobufField {
  readonly number: number
  readonly value: bigint | Uint8Array
  /** 0 varint, 1 eight bytes, 2 a length and as many bytes, 5 four bytes. */
  readonly wire: 0 | 1 | 2 | 5
}

/** Raised for bytes that are no message; `message` says what is wrong at which byte. */
export class ProtobufFault extends Error {}

/** The fields of a message in their order (Protocol Buffers, encoding). Nothing is copied. Raises ProtobufFault. */
export function* readProtobuf(bytes: Uint8Array): Generator<ProtobufField> {
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    const begin = at
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) throw new ProtobufFault(`it ends within the number at byte ${begin}`)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw new ProtobufFault(`the number at byte ${begin} has more than 10 bytes`)
  }
  const take = (count: bigint, begin: number): Uint8Array => {
    if (count > BigInt(bytes.length - at))
      throw new ProtobufFault(`the field at byte ${begin} is longer than what is left`)
    at += Number(count)
    return bytes.subarray(at - Number(count), at)
  }
  while (at < bytes.length) {
    const begin = at
    const key = varint()
    const number = Number(key >> 3n)
    const wire = Number(key & 7n)
    if (number === 0 || key >> 3n > 0x1fffffffn)
      throw new ProtobufFault(`the field at byte ${begin} has number ${number}`)
    if (wire === 0) yield { number, wire, value: varint() }
    else if (wire === 1) yield { number, wire, value: take(8n, begin) }
    else if (wire === 2) yield { number, wire, value: take(varint(), begin) }
    else if (wire === 5) yield { number, wire, value: take(4n, begin) }
    else throw new ProtobufFault(`the field at byte ${begin} is of wire type ${wire}`)
  }
}
