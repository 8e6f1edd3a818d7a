// The few GGUF v3 values that synth.mjs writes.

const kinds = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 }

/** @param {number} value @returns {Buffer} */
export function uint32(value) {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** @param {number} value @returns {Buffer} */
export function uint64(value) {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

/** @param {string} text @returns {Buffer} */
export function string(text) {
  const bytes = Buffer.from(text, 'utf8')
  return Buffer.concat([uint64(bytes.length), bytes])
}

/** @param {number} value @returns {Buffer} */
function float32(value) {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return bytes
}

/**
 * One metadata record.
 * @param {string} key
 * @param {'uint32' | 'float32' | 'bool' | 'string' | 'strings' | 'int32s'} kind
 * @param {any} value
 * @returns {Buffer}
 */
export function record(key, kind, value) {
  switch (kind) {
    case 'uint32':
      return Buffer.concat([string(key), uint32(kinds.uint32), uint32(value)])
    case 'float32':
      return Buffer.concat([string(key), uint32(kinds.float32), float32(value)])
    case 'bool':
      return Buffer.concat([string(key), uint32(kinds.bool), Buffer.of(value ? 1 : 0)])
    case 'string':
      return Buffer.concat([string(key), uint32(kinds.string), string(value)])
    case 'strings':
      return Buffer.concat([
        string(key),
        uint32(kinds.array),
        uint32(kinds.string),
        uint64(value.length),
        ...value.map(string),
      ])
    case 'int32s':
      return Buffer.concat([
        string(key),
        uint32(kinds.array),
        uint32(kinds.int32),
        uint64(value.length),
        Buffer.from(Int32Array.from(value).buffer),
      ])
    default:
      throw new Error(`no GGUF kind ${kind}`)
  }
}
