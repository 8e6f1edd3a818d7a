import { isUtf8 } from 'node:buffer'
import { fail } from '../base/errors.ts'
import type { ByteSource } from './byteSource.ts'

const windowBytes = 256 * 1024

/** What a field is called in a refusal; a function where the text would be made a million times for nothing. */
export type FieldName = string | (() => string)

/**
 * Reads little-endian fields one after the other through a window that moves over the source, so that a header of any
 * length costs the memory of its values only. Every length is compared with what the source still has before anything
 * is allocated. `what` names the field for the refusal (`file_malformed`).
 */
export class ByteReader {
  readonly source: ByteSource
  /** Byte offset of the next field. */
  position = 0
  readonly #limit: number
  #memory = Buffer.alloc(0)
  #window = Buffer.alloc(0)
  #start = 0

  /** Refuses to go beyond byte `limit` even where the source is longer. */
  constructor(source: ByteSource, limit: number) {
    this.source = source
    this.#limit = limit
  }

  /** Refuses unless `bytes` more bytes are there and within the limit. */
  need(bytes: number, what: FieldName): void {
    const end = this.position + bytes
    const { path, size } = this.source
    if (end > size) {
      fail('file_malformed', {
        path,
        at: this.position,
        what: `${nameOf(what)} needs ${bytes} bytes, and the file ends ${size - this.position} bytes from here`,
        accepted: 'a whole file whose lengths fit into it',
      })
    }
    if (end > this.#limit) {
      fail('file_malformed', {
        path,
        at: this.position,
        what: `${nameOf(what)} needs ${bytes} bytes, which makes the header longer than ${this.#limit} bytes`,
        accepted: `a header of at most ${this.#limit} bytes`,
      })
    }
  }

  /** Refuses unless `count` items of at least `itemBytes` each can follow. */
  needItems(count: number, itemBytes: number, what: FieldName): void {
    if (count > (this.source.size - this.position) / itemBytes) {
      fail('file_malformed', {
        path: this.source.path,
        at: this.position,
        what: `${nameOf(what)} has ${count} items of at least ${itemBytes} bytes, and the file ends ${this.source.size - this.position} bytes from here`,
        accepted: 'a whole file whose counts fit into it',
      })
    }
    this.need(count * itemBytes, what)
  }

  u8(what: FieldName): number {
    const at = this.#take(1, what)
    return this.#window.readUInt8(at)
  }

  i8(what: FieldName): number {
    const at = this.#take(1, what)
    return this.#window.readInt8(at)
  }

  u16(what: FieldName): number {
    const at = this.#take(2, what)
    return this.#window.readUInt16LE(at)
  }

  i16(what: FieldName): number {
    const at = this.#take(2, what)
    return this.#window.readInt16LE(at)
  }

  u32(what: FieldName): number {
    const at = this.#take(4, what)
    return this.#window.readUInt32LE(at)
  }

  i32(what: FieldName): number {
    const at = this.#take(4, what)
    return this.#window.readInt32LE(at)
  }

  f32(what: FieldName): number {
    const at = this.#take(4, what)
    return this.#window.readFloatLE(at)
  }

  f64(what: FieldName): number {
    const at = this.#take(8, what)
    return this.#window.readDoubleLE(at)
  }

  /** A number where it is exact, a bigint beyond 2^53. */
  u64(what: FieldName): number | bigint {
    const at = this.#take(8, what)
    const value = this.#window.readBigUInt64LE(at)
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
  }

  /** A number where it is exact, a bigint beyond ±2^53. */
  i64(what: FieldName): number | bigint {
    const at = this.#take(8, what)
    const value = this.#window.readBigInt64LE(at)
    const asNumber = Number(value)
    return Number.isSafeInteger(asNumber) ? asNumber : value
  }

  /** An unsigned 64-bit count, length or offset; refuses what exceeds 2^53. */
  size(what: FieldName): number {
    const at = this.#take(8, what)
    const high = this.#window.readUInt32LE(at + 4)
    if (high >= 2 ** 21) {
      fail('file_malformed', {
        path: this.source.path,
        at: this.position - 8,
        what: `${nameOf(what)} is ${this.#window.readBigUInt64LE(at)}`,
        accepted: `at most what a file can hold, here ${this.source.size} bytes`,
      })
    }
    return high * 2 ** 32 + this.#window.readUInt32LE(at)
  }

  /** A fresh array of the next `bytes` bytes; its buffer begins with them. */
  bytes(bytes: number, what: FieldName): Uint8Array<ArrayBuffer> {
    this.need(bytes, what)
    const out = new Uint8Array(bytes)
    this.source.read(this.position, out)
    this.position += bytes
    return out
  }

  /** `bytes` bytes of UTF-8 text. */
  text(bytes: number, what: FieldName): string {
    if (bytes > windowBytes) this.need(bytes, what)
    const at = this.#take(bytes, what)
    const text = this.#window.toString('utf8', at, at + bytes)
    // The decoder writes U+FFFD for what is no UTF-8; only a text that has one is looked at twice.
    if (text.includes('\uFFFD') && !isUtf8(this.#window.subarray(at, at + bytes))) {
      fail('file_malformed', {
        path: this.source.path,
        at: this.position - bytes,
        what: `${nameOf(what)} is not valid UTF-8`,
        accepted: 'text in UTF-8',
      })
    }
    return text
  }

  /** Takes `bytes` bytes into the window and returns their place in it. May replace the window: call it first. */
  #take(bytes: number, what: FieldName): number {
    let at = this.position - this.#start
    if (at + bytes > this.#window.length) {
      this.need(bytes, what)
      const filled = Math.max(bytes, Math.min(windowBytes, this.source.size - this.position))
      if (filled > this.#memory.length) this.#memory = Buffer.alloc(filled)
      this.#window = this.#memory.subarray(0, filled)
      this.source.read(this.position, this.#window)
      this.#start = this.position
      at = 0
    }
    this.position += bytes
    return at
  }
}

function nameOf(what: FieldName): string {
  return typeof what === 'string' ? what : what()
}
