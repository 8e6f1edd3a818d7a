import type { ByteSource } from '../../formats/byteSource.ts'

const pieceBytes = 4 * 2 ** 20

/** Bytes between two separators; `bytes` is absent where there are more than asked for. */
export interface ByteSpan {
  readonly at: number
  readonly size: number
  readonly bytes?: Uint8Array
}

/**
 * Cuts a source at a separator of at least one byte, or gives it whole; a separator at its end begins nothing. Spans of more
 * than `longest` bytes are passed over without being held.
 */
export function* splitBytes(
  source: ByteSource,
  separator: Uint8Array | undefined,
  longest: number,
): Generator<ByteSpan, void, undefined> {
  const span = (at: number, end: number, held: Buffer, heldAt: number): ByteSpan =>
    end - at > longest
      ? { at, size: end - at }
      : { at, size: end - at, bytes: held.subarray(at - heldAt, end - heldAt) }
  let begin = 0
  let held: Buffer = Buffer.alloc(0)
  let heldAt = 0
  for (let offset = 0; offset < source.size; ) {
    // What is held over doubles, so that a long span is not copied again and again.
    const piece = Buffer.alloc(Math.min(source.size - offset, Math.max(pieceBytes, held.length)))
    source.read(offset, piece)
    const searched = separator ? Math.max(0, held.length - separator.length + 1) : 0
    held = Buffer.concat([held, piece])
    offset += piece.length
    let from = Math.max(searched, begin - heldAt)
    for (;;) {
      const found = separator ? held.indexOf(separator, from) : -1
      if (found < 0) break
      yield span(begin, heldAt + found, held, heldAt)
      from = found + separator!.length
      begin = heldAt + from
    }
    const isLong = offset - begin > longest + (separator?.length ?? 0)
    const keepFrom = isLong ? Math.max(begin, offset - (separator?.length ?? 1) + 1) : begin
    held = held.subarray(keepFrom - heldAt)
    heldAt = keepFrom
  }
  if (begin < source.size) yield span(begin, source.size, held, heldAt)
}
