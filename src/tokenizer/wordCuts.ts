import type { Piece, TokenizerContract } from './contract.ts'
import type { MergeTable } from './mergeTable.ts'
import { withSpaces } from './spaceMark.ts'

const space = 0x20

/** Whether the trie of `unigram` and `wordpiece` has this piece. */
export function isInTrie({ kind }: TokenizerContract, { type, bytes }: Piece): boolean {
  return (kind === 'unigram' || kind === 'wordpiece') && type === 'normal' && bytes.length > 0
}

/**
 * The blob's section `joins`: which two bytes may be neighbours in a piece, so that text is not cut between them. Only
 * `unigram` is kept whole up to the next space: how its sums are rounded depends on where they begin.
 */
export function pairJoins(contract: TokenizerContract, { symbols, joined }: MergeTable): Uint8Array {
  const joins = new Uint8Array(8192)
  const set = (first: number, second: number) => {
    joins[32 * first + (second >> 3)]! |= 1 << (second & 7)
  }
  const isUnigram = contract.kind === 'unigram'
  const pieces = isUnigram
    ? contract.pieces.filter((piece) => isInTrie(contract, piece)).map(({ bytes }) => withSpaces(bytes))
    : [...new Set(joined)].map((id) => symbols[id]!.bytes)
  for (const bytes of pieces) for (let i = 1; i < bytes.length; i++) set(bytes[i - 1]!, bytes[i]!)

  const isAlone = new Set(
    [...(isUnigram ? pieces : symbols.flatMap(({ key, bytes }) => (key === null ? [] : [bytes])))].flatMap((bytes) =>
      bytes.length === 1 ? [bytes[0]!] : [],
    ),
  )
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      // Unknown neighbours may become one unknown piece.
      const mayBeUnknown = !contract.byteFallback && !isAlone.has(first) && !isAlone.has(second)
      if (mayBeUnknown || (isUnigram && second !== space)) set(first, second)
    }
  }
  return joins
}
