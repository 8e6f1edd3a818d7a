// Reads TensorBoard event files by the definitions alone, without the code that writes them.

/** One field of a message: a whole number, a floating-point number, or bytes. */
export type Field = readonly [number: number, value: number | Buffer]

/** The records of a file, their sums compared. */
export function recordsOf(file: Buffer): readonly Buffer[] {
  const records: Buffer[] = []
  for (let at = 0; at < file.length; ) {
    const bytes = Number(file.readBigUInt64LE(at))
    check(file.subarray(at, at + 8), file.readUInt32LE(at + 8))
    const data = file.subarray(at + 12, at + 12 + bytes)
    check(data, file.readUInt32LE(at + 12 + bytes))
    records.push(data)
    at += 16 + bytes
  }
  return records
}

/** The fields of a message in Protocol Buffers' wire format. */
export function fieldsOf(message: Buffer): readonly Field[] {
  const fields: Field[] = []
  let at = 0
  const varint = () => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++]!
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  const take = (bytes: number) => {
    at += bytes
    return message.subarray(at - bytes, at)
  }
  while (at < message.length) {
    const key = varint()
    const number = key >> 3
    if ((key & 7) === 0) fields.push([number, varint()])
    else if ((key & 7) === 1) fields.push([number, take(8).readDoubleLE()])
    else if ((key & 7) === 5) fields.push([number, take(4).readFloatLE()])
    else fields.push([number, take(varint())])
  }
  return fields
}

/** The value of a field that a message has once. */
export function fieldOf(message: Buffer, number: number): number | Buffer | undefined {
  return fieldsOf(message).find(([other]) => other === number)?.[1]
}

function check(bytes: Buffer, masked: number): void {
  const rotated = (masked - 0xa282ead8) >>> 0
  const sum = ((rotated >>> 17) | (rotated << 15)) >>> 0
  if (sum !== castagnoli(bytes)) throw new Error('the sum of a record is wrong')
}

/** CRC-32C bit by bit, from the highest power down, on reflected bytes. */
function castagnoli(bytes: Buffer): number {
  let sum = 0xffffffffn
  const reflect = (value: bigint, bits: number) =>
    BigInt(`0b${[...value.toString(2).padStart(bits, '0')].toReversed().join('')}`)
  for (const byte of bytes) {
    sum ^= reflect(BigInt(byte), 8) << 24n
    for (let bit = 0; bit < 8; bit++) sum = sum >> 31n ? ((sum << 1n) ^ 0x1edc6f41n) & 0xffffffffn : sum << 1n
  }
  return Number(reflect(sum, 32) ^ 0xffffffffn)
}
