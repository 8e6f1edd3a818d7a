import type { Piece, TokenizerContract } from './contract.ts'
import type { MergeTable } from './mergeTable.ts'

/** U+2581, by which vocabularies of characters write a space. */
export const spaceMark = '\u2581'

/** A piece's bytes with spaces for U+2581. */
export function withSpaces(bytes: Uint8Array): Uint8Array {
  const out: number[] = []
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === 0xe2 && bytes[i + 1] === 0x96 && bytes[i + 2] === 0x81) {
      out.push(0x20)
      i += 2
    } else out.push(bytes[i]!)
  }
  return Uint8Array.from(out)
}

/** Whether the trie of `unigram` and `wordpiece` has this piece. */
export function isInTrie({ kind }: TokenizerContract, { type, bytes }: Piece): boolean {
  return (kind === 'unigram' || kind === 'wordpiece') && type === 'normal' && bytes.length > 0
}

/** The blob's section `spaceJoins`: the bytes behind which a space may belong to the same piece. */
export function spaceJoins(contract: TokenizerContract, { symbols, left, right }: MergeTable): Uint8Array {
  const joins = new Uint8Array(256)
  const pieces = contract.pieces.filter((piece) => isInTrie(contract, piece)).map(({ bytes }) => withSpaces(bytes))
  for (const bytes of pieces) {
    for (let i = 1; i < bytes.length; i++) if (bytes[i] === 0x20) joins[bytes[i - 1]!] = 1
  }
  left.forEach((id, row) => {
    if (symbols[right[row]!]!.bytes[0] === 0x20) joins[symbols[id]!.bytes.at(-1)!] = 1
  })
  // Where a space is unknown, it is one unknown piece with its neighbours.
  const isSpace = (bytes: Uint8Array) => bytes.length === 1 && bytes[0] === 0x20
  const knowsSpace = pieces.some(isSpace) || symbols.some(({ key, bytes }) => key !== null && isSpace(bytes))
  return knowsSpace ? joins : joins.fill(1)
}
