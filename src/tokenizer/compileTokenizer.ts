import { fail } from '../base/errors.ts'
import { blobFlags, noSymbol, writeBlob } from './blob.ts'
import { byteIds } from './checkContract.ts'
import { compileSplit } from './compileSplit.ts'
import { pieceTypes, type TokenizerContract } from './contract.ts'
import { mergeHash, pieceHash } from './hashTables.ts'
import { type MergeTable, mergeTable, wholeSymbols } from './mergeTable.ts'
import { pieceTrie } from './pieceTrie.ts'
import { withSpaces } from './spaceMark.ts'
import { specialTables } from './specialTable.ts'
import { splitTables } from './splitTables.ts'
import { stepTables } from './stepTables.ts'
import { isInTrie, pairJoins } from './wordCuts.ts'

const mostSplits = 16
const mostSteps = 64

/**
 * The tables that encode and decode by this contract, as one blob (blob.ts) for `ck_tokenizer_open`. The same contract
 * gives the same bytes. Raises tokenizer_invalid for a split pattern that cannot be compiled.
 */
export function compileTokenizer(contract: TokenizerContract): Uint8Array {
  const { path, kind, pieces } = contract
  const table = mergeTable(contract)
  refuseMore(path, 'split patterns', contract.splits.length, mostSplits)
  refuseMore(path, 'steps of normalising', contract.steps.length, mostSteps)
  const automata = contract.splits.map(({ pattern }) => compileSplit(path, pattern))
  const steps = stepTables(contract.steps, automata, path)
  const needsWords = pieces.some(({ singleWord }) => singleWord)
  const wordAutomaton = needsWords ? automata.push(compileSplit(path, '[\\w\\u200c\\u200d]')) : 0
  const splits = splitTables(automata, contract.splits)
  const specials = specialTables(contract)
  const { starts, bytes } = pieceBytes(table)
  const inTrie = pieces.flatMap((piece, id) =>
    isInTrie(contract, piece) ? [{ bytes: kind === 'unigram' ? withSpaces(piece.bytes) : piece.bytes, id }] : [],
  )
  const usesTrie = kind === 'unigram' || kind === 'wordpiece'
  return writeBlob(
    {
      kind,
      flags: flagsOf(contract),
      vocabulary: pieces.length,
      symbols: table.symbols.length,
      bos: contract.bos,
      eos: contract.eos,
      unknown: contract.unknown,
      splits: contract.splits.length,
      automata: automata.length,
      steps: contract.steps.length,
      wordAutomaton,
      specialClasses: specials.classes,
      specialNodes: specials.nodes,
      mostWordCharacters: contract.mostWordCharacters,
      unknownScore: contract.unknownScore,
    },
    {
      pieceStarts: starts,
      pieceBytes: bytes,
      pieceTypes: typeBytes(contract, table),
      pieceHash: pieceHash(table),
      mergeHash: mergeHash(table),
      byteIds: Uint32Array.from(byteIds(contract), (id) => (id < 0 ? noSymbol : id)),
      joins: kind === 'spm' || kind === 'unigram' ? pairJoins(contract, table) : new Uint8Array(0),
      specialClasses: specials.classOf,
      specialTable: specials.table,
      specialIds: specials.ids,
      automata: splits.rows,
      automatonTables: splits.tables,
      steps: steps.steps,
      stepTables: steps.tables,
      trie: usesTrie ? pieceTrie(inTrie) : new Uint32Array(0),
      scores: kind === 'unigram' ? Float64Array.from(contract.scores ?? []) : new Float64Array(0),
    },
  )
}

function refuseMore(path: string, things: string, count: number, most: number): void {
  if (count > most) fail('tokenizer_invalid', { path, what: `${count} ${things}`, accepted: `at most ${most}` })
}

function flagsOf(contract: TokenizerContract): number {
  const on: { readonly [F in keyof typeof blobFlags]: boolean } = {
    addBos: contract.addBos,
    addEos: contract.addEos,
    prefixFirst: contract.prefix === 'first',
    prefixAlways: contract.prefix === 'always',
    prefixUnlessSpace: contract.prefixUnlessSpace,
    stripPrefix: contract.stripPrefix,
    byteFallback: contract.byteFallback,
    fuseUnknown: contract.fuseUnknown,
    wholeWords: contract.wholeWords,
    cutAtSpaces: contract.cutAtSpaces,
  }
  const names = Object.keys(blobFlags) as (keyof typeof blobFlags)[]
  return names.reduce((flags, name) => flags | (on[name] ? blobFlags[name] : 0), 0)
}

function pieceBytes({ symbols }: MergeTable): { starts: Uint32Array; bytes: Uint8Array } {
  const starts = new Uint32Array(symbols.length + 1)
  symbols.forEach((symbol, i) => {
    starts[i + 1] = starts[i]! + symbol.bytes.length
  })
  const bytes = new Uint8Array(starts[symbols.length]!)
  symbols.forEach((symbol, i) => {
    bytes.set(symbol.bytes, starts[i])
  })
  return { starts, bytes }
}

function typeBytes(contract: TokenizerContract, table: MergeTable): Uint8Array {
  const ends = new Set(contract.ends)
  const whole = wholeSymbols(contract, table)
  return Uint8Array.from(table.symbols, (_, id) => {
    const piece = contract.pieces[id]
    return (
      (piece ? pieceTypes[piece.type] : 0) |
      (piece?.singleWord ? 8 : 0) |
      (ends.has(id) ? 0x10 : 0) |
      (whole[id] ? 0x20 : 0) |
      (piece?.stripLeft ? 0x40 : 0) |
      (piece?.stripRight ? 0x80 : 0)
    )
  })
}
