import { keyOf } from './checkContract.ts'
import type { TokenizerContract } from './contract.ts'
import { withSpaces } from './spaceMark.ts'
import { writtenWordpieces } from './writtenWordpieces.ts'

/** A thing that merging handles: a piece, or a character that is none but of which pieces are made. */
export interface Symbol {
  /** A space is a space here, in every kind. */
  readonly bytes: Uint8Array
  /** Key of `bytes` (keyOf) where text may become this symbol; null: never by its bytes alone. */
  readonly key: string | null
}

/** Which neighbours join to what. Row i is left[i], right[i] -> joined[i]; the lowest rank goes first, then the leftmost. */
export interface MergeTable {
  /** The pieces by id, then characters of their own with ids from the vocabulary's size on. */
  readonly symbols: readonly Symbol[]
  readonly left: readonly number[]
  readonly right: readonly number[]
  readonly joined: readonly number[]
  readonly rank: readonly number[]
}

/** The merges of a contract by symbol: its own where it has some, else derived from the scores. */
export function mergeTable(contract: TokenizerContract): MergeTable {
  if (contract.kind === 'wordpiece') return withoutMerges(writtenWordpieces(contract))
  if (contract.kind === 'unigram') {
    return withoutMerges(contract.pieces.map(({ bytes, type }) => (type === 'control' ? bytes : withSpaces(bytes))))
  }
  const taken = new Set<string>()
  const symbols: Symbol[] = contract.pieces.map((piece) => {
    const bytes = contract.kind === 'spm' && piece.type !== 'control' ? withSpaces(piece.bytes) : piece.bytes
    const key = piece.type === 'normal' ? keyOf({ ...piece, bytes }) : ''
    // A second spelling of a text (with a real space for U+2581) cannot be written.
    if (key === '' || taken.has(key)) return { bytes, key: null }
    taken.add(key)
    return { bytes, key }
  })
  if (contract.scores) return deriveMerges(contract, contract.scores, symbols)
  const { merges } = contract
  const column = (at: number) => Array.from({ length: merges.length / 3 }, (_, row) => merges[3 * row + at]!)
  const joined = column(2)
  return { symbols, left: column(0), right: column(1), joined, rank: joined.map((_, row) => row) }
}

/** Symbols that are only written. */
function withoutMerges(bytes: readonly Uint8Array[]): MergeTable {
  return { symbols: bytes.map((each) => ({ bytes: each, key: null })), left: [], right: [], joined: [], rank: [] }
}

/**
 * SentencePiece joins any two neighbours whose union is a piece, so every way to cut a piece into two symbols is a merge;
 * its rank is that of the piece's score, equal scores having equal ranks.
 */
function deriveMerges(contract: TokenizerContract, scores: ArrayLike<number>, pieces: readonly Symbol[]): MergeTable {
  const symbols = [...pieces]
  const idOf = new Map<string, number>()
  pieces.forEach(({ key }, id) => {
    if (key !== null) idOf.set(key, id)
  })
  pieces.forEach(({ bytes }, id) => {
    const key = contract.pieces[id]!.type === 'user' ? keyOf({ bytes, type: 'user' }) : ''
    if (key === '' || idOf.has(key)) return
    symbols[id] = { bytes, key }
    idOf.set(key, id)
  })
  const character = (key: string): number | undefined => {
    const known = idOf.get(key)
    if (known !== undefined || charactersOf(key) !== 1) return known
    idOf.set(key, symbols.push({ bytes: Buffer.from(key, 'latin1'), key }) - 1)
    return symbols.length - 1
  }
  const ranks = new Map([...new Set(Array.from(scores))].sort((a, b) => b - a).map((score, rank) => [score, rank]))
  const table = { left: [] as number[], right: [] as number[], joined: [] as number[], rank: [] as number[] }
  for (const [key, id] of [...idOf]) {
    for (let cut = 1; cut < key.length; cut++) {
      if (isContinuation(key.charCodeAt(cut))) continue
      const right = character(key.slice(cut))
      const left = right === undefined ? undefined : character(key.slice(0, cut))
      if (left === undefined || right === undefined) continue
      table.left.push(left)
      table.right.push(right)
      table.joined.push(id)
      table.rank.push(ranks.get(scores[id]!)!)
    }
  }
  return { symbols, ...table }
}

const isContinuation = (byte: number) => (byte & 0xc0) === 0x80

function charactersOf(key: string): number {
  let count = 0
  for (let i = 0; i < key.length; i++) if (!isContinuation(key.charCodeAt(i))) count++
  return count
}

/** [symbols] 1 where merging a symbol's own text gives that symbol, so that a word of this text need not be merged. */
export function wholeSymbols(contract: TokenizerContract, table: MergeTable): Uint8Array {
  const { symbols, left, right, joined, rank } = table
  const rows = new Map(left.map((id, row) => [pairKey(id, right[row]!), row]))
  const idOf = new Map<string, number>()
  symbols.forEach(({ key }, id) => {
    if (key !== null && !idOf.has(key)) idOf.set(key, id)
  })
  const merge = (start: number[]): number[] => {
    const ids = start
    for (;;) {
      let best = -1
      let at = -1
      for (let i = 0; i + 1 < ids.length; i++) {
        const row = rows.get(pairKey(ids[i]!, ids[i + 1]!))
        if (row !== undefined && (best < 0 || rank[row]! < rank[best]!)) {
          best = row
          at = i
        }
      }
      if (at < 0) return ids
      ids.splice(at, 2, joined[best]!)
    }
  }
  return Uint8Array.from(symbols, ({ key }, id) => {
    if (key === null || contract.pieces[id]?.type !== 'normal') return 0
    const parts = contract.kind === 'bpe' ? [...key] : key.split(/(?![\x80-\xbf])/)
    const start = parts.map((part) => idOf.get(part) ?? -1)
    const merged = merge(start)
    return merged.length === 1 && merged[0] === id ? 1 : 0
  })
}

const pairKey = (left: number, right: number) => left * 2 ** 24 + right
