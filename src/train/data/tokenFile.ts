import { endianness } from 'node:os'
import { fail } from '../../base/errors.ts'
import { type ByteSource, openFile } from '../../formats/byteSource.ts'
import { readTokenHeader, type TokenHeader, type TokenLayout, tokenLayout } from './tokenFormat.ts'

/** One of so many document starts is held in memory; the others are read when they are needed. */
const indexStep = 64
const pieceStarts = 64 * 1024

/** Some tokens of a file, in their order. */
export interface TokenSpan {
  readonly ids: Int32Array
  /** 1 where the token begins a document. */
  readonly begins: Uint8Array
  /** 1 where the token may be learnt. */
  readonly loss: Uint8Array
}

/** A token file that is open for reading; what it holds in memory is 8 bytes for 64 documents. */
export class TokenFile {
  readonly header: TokenHeader
  readonly #source: ByteSource
  readonly #layout: TokenLayout
  /** Every `indexStep`-th document start. */
  readonly #index: Float64Array

  /** Checks the header and every document start. Refuses `file_malformed`. Owns the source from then on. */
  constructor(source: ByteSource) {
    if (endianness() !== 'LE') fail('engine_failed', { what: 'token files are read on little-endian machines only' })
    this.#source = source
    this.header = readTokenHeader(source)
    this.#layout = tokenLayout(this.header)
    this.#index = this.#readIndex()
  }

  static open(path: string): TokenFile {
    const source = openFile(path)
    try {
      return new TokenFile(source)
    } catch (error) {
      source.close()
      throw error
    }
  }

  /** Tokens `from` to `from + count` - 1, all of which must be there. Refuses `file_malformed` for an id beyond the vocabulary. */
  read(from: number, count: number): TokenSpan {
    const { hasLossBits } = this.header
    const ids = this.#readIds(from, count)
    const begins = new Uint8Array(count)
    this.#eachStart(from, from + count, (start) => {
      begins[start - from] = 1
    })
    const loss = new Uint8Array(count).fill(1)
    if (hasLossBits && count > 0) {
      const first = Math.floor(from / 8)
      const bits = new Uint8Array(Math.floor((from + count - 1) / 8) - first + 1)
      this.#source.read(this.#layout.lossOffset + first, bits)
      for (let i = 0; i < count; i++) {
        const at = from + i - 8 * first
        loss[i] = (bits[at >> 3]! >> (at & 7)) & 1
      }
    }
    return { ids, begins, loss }
  }

  /** The documents in their order: where each begins, and its tokens. */
  *documents(): Generator<{ readonly start: number; readonly tokens: number }, void, undefined> {
    const { documents, tokens } = this.header
    let start = 0
    for (let from = 1; from <= documents; from += pieceStarts) {
      const count = Math.min(pieceStarts, documents - from)
      for (const next of this.#readStarts(from, count)) {
        yield { start, tokens: next - start }
        start = next
      }
    }
    if (documents > 0) yield { start, tokens: tokens - start }
  }

  close(): void {
    this.#source.close()
  }

  #readIds(from: number, count: number): Int32Array {
    const { idBytes, vocabulary } = this.header
    const bytes = new Uint8Array(count * idBytes)
    const offset = this.#layout.idsOffset + from * idBytes
    this.#source.read(offset, bytes)
    const stored = idBytes === 2 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer)
    for (let i = 0; i < count; i++) {
      if (stored[i]! < vocabulary) continue
      fail('file_malformed', {
        path: this.#source.path,
        at: offset + i * idBytes,
        what: `token id ${stored[i]}`,
        accepted: `ids of the vocabulary, 0 to ${vocabulary - 1}`,
      })
    }
    return Int32Array.from(stored)
  }

  #readStarts(from: number, count: number): Float64Array {
    const bytes = new Uint8Array(count * 8)
    this.#source.read(this.#layout.startsOffset + from * 8, bytes)
    const words = new Uint32Array(bytes.buffer)
    return Float64Array.from({ length: count }, (_, i) => words[2 * i]! + words[2 * i + 1]! * 2 ** 32)
  }

  #readIndex(): Float64Array {
    const { documents, tokens } = this.header
    const index = new Float64Array(Math.ceil(documents / indexStep))
    let before = -1
    for (let from = 0; from < documents; from += pieceStarts) {
      const starts = this.#readStarts(from, Math.min(pieceStarts, documents - from))
      for (const [i, start] of starts.entries()) {
        const at = from + i
        if (start <= before || start >= tokens || (at === 0 && start !== 0)) {
          fail('file_malformed', {
            path: this.#source.path,
            at: this.#layout.startsOffset + at * 8,
            what: `document ${at} begins at token ${start}`,
            accepted: `starts that ascend from 0 to at most ${tokens - 1}`,
          })
        }
        if (at % indexStep === 0) index[at / indexStep] = start
        before = start
      }
    }
    return index
  }

  /** The document starts from `from` to before `to`. */
  #eachStart(from: number, to: number, found: (start: number) => void): void {
    let [low, high] = [0, this.#index.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#index[middle]! <= from) low = middle + 1
      else high = middle
    }
    for (let block = Math.max(0, low - 1); block < this.#index.length && this.#index[block]! < to; block++) {
      const first = block * indexStep
      for (const start of this.#readStarts(first, Math.min(indexStep, this.header.documents - first))) {
        if (start >= from && start < to) found(start)
      }
    }
  }
}
