import type { PartialFile } from '../../formats/writeBeside.ts'
import { encodeTokenHeader, type TokenHeader, tokenHeaderBytes } from './tokenFormat.ts'

/** Counts of a token file. */
export interface TokenCounts {
  readonly documents: number
  readonly tokens: number
  /** Tokens that may be learnt; the first of a document is nobody's target all the same. */
  readonly lossTokens: number
}

const pieceBytes = 2 ** 20

/** Writes a token file document by document; it holds 8 bytes a document, and a bit a token where some are not learnt. */
export class TokenFileWriter {
  readonly #file: PartialFile
  readonly #idBytes: 2 | 4
  readonly #vocabulary: number
  readonly #starts = new ByteList()
  /** Undefined while every token may be learnt. */
  #loss: ByteList | undefined
  /** Ids that are still to be written. */
  #held: Uint8Array[] = []
  #heldBytes = 0
  #tokens = 0
  #documents = 0
  #lossTokens = 0

  /** Begins `file`, which must be empty. */
  constructor(file: PartialFile, idBytes: 2 | 4, vocabulary: number) {
    this.#file = file
    this.#idBytes = idBytes
    this.#vocabulary = vocabulary
    file.append(new Uint8Array(tokenHeaderBytes))
  }

  /** Appends a document of at least one token. `loss` [ids]: 1 where the token may be learnt; absent: everywhere. */
  add(ids: Int32Array, loss?: Uint8Array): void {
    const narrow = this.#idBytes === 2 ? Uint16Array.from(ids) : Uint32Array.from(ids)
    const start = Buffer.alloc(8)
    start.writeBigUInt64LE(BigInt(this.#tokens))
    this.#starts.append(start)
    this.#held.push(new Uint8Array(narrow.buffer))
    this.#heldBytes += narrow.byteLength
    if (this.#heldBytes >= pieceBytes) this.#flush()
    if (loss && !this.#loss) this.#loss = allSet(this.#tokens)
    this.#loss?.setBits(this.#tokens, ids.length, loss)
    this.#tokens += ids.length
    this.#documents++
    this.#lossTokens += loss ? loss.reduce((sum, bit) => sum + bit, 0) : ids.length
  }

  /** Writes what stands behind the ids, and the header. */
  finish(): TokenCounts {
    const [documents, tokens, lossTokens] = [this.#documents, this.#tokens, this.#lossTokens]
    this.#flush()
    this.#file.pad(8)
    this.#file.append(this.#starts.bytes)
    if (this.#loss) this.#file.append(this.#loss.bytes)
    const header: TokenHeader = {
      ...{ idBytes: this.#idBytes, hasLossBits: this.#loss !== undefined, tokens, documents },
      vocabulary: this.#vocabulary,
    }
    this.#file.overwrite(0, encodeTokenHeader(header))
    return { documents, tokens, lossTokens }
  }

  #flush(): void {
    this.#file.append(Buffer.concat(this.#held))
    this.#held = []
    this.#heldBytes = 0
  }
}

/** Bytes that grow at their end. */
class ByteList {
  #memory = new Uint8Array(1024)
  #size = 0

  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.#size)
  }

  append(bytes: Uint8Array): void {
    const at = this.#size
    this.#reserve(at + bytes.length)
    this.#memory.set(bytes, at)
  }

  /** Bits `from` to `from + count` - 1; absent values are 1. */
  setBits(from: number, count: number, values?: Uint8Array): void {
    this.#reserve(Math.ceil((from + count) / 8))
    for (let i = 0; i < count; i++) {
      const at = from + i
      if (values?.[i] !== 0) this.#memory[Math.floor(at / 8)]! |= 1 << (at % 8)
    }
  }

  #reserve(size: number): void {
    if (size > this.#memory.length) {
      const memory = new Uint8Array(Math.max(size, 2 * this.#memory.length))
      memory.set(this.bytes)
      this.#memory = memory
    }
    this.#size = Math.max(this.#size, size)
  }
}

function allSet(bits: number): ByteList {
  const list = new ByteList()
  list.setBits(0, bits)
  return list
}
