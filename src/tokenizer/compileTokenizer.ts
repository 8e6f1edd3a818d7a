import { fail } from '../base/errors.ts'
import { blobFlags, fnv1a, mergeHashOf, noSymbol, writeBlob } from './blob.ts'
import { byteIds } from './checkContract.ts'
import { compileSplit } from './compileSplit.ts'
import { pieceTypes, type TokenizerContract } from './contract.ts'
import { joinsBeforeSpace, type MergeTable, mergeTable, wholeSymbols } from './mergeTable.ts'
import { nfcTables } from './nfcTables.ts'
import { specialTable } from './specialTable.ts'
import { splitTables } from './splitTables.ts'
import { unicodeSets } from './unicodeSets.ts'

/**
 * The tables that encode and decode by this contract, as one blob (blob.ts) for `ck_tokenizer_open`. The same contract
 * gives the same bytes. Raises tokenizer_invalid for a split pattern that cannot be compiled.
 */
export function compileTokenizer(contract: TokenizerContract): Uint8Array {
  const table = mergeTable(contract)
  const sets = unicodeSets()
  if (contract.splits.length > mostSplits) {
    const what = `${contract.splits.length} split patterns`
    fail('tokenizer_invalid', { path: contract.path, what, accepted: `at most ${mostSplits}` })
  }
  const { splits, tables } = splitTables(contract.splits.map((pattern) => compileSplit(contract.path, pattern, sets)))
  const specials = specialTable(
    contract.pieces.flatMap(({ bytes, type }, id) =>
      (type === 'control' || type === 'user' || type === 'unknown') && bytes.length > 0 ? [{ id, bytes }] : [],
    ),
  )
  const { starts, bytes } = pieceBytes(table)
  return writeBlob(
    {
      kind: contract.kind,
      flags: flagsOf(contract, table),
      vocabulary: contract.pieces.length,
      symbols: table.symbols.length,
      bos: contract.bos,
      eos: contract.eos,
      unknown: contract.unknown,
      splits: contract.splits.length,
      specialClasses: specials.classes,
      specialNodes: specials.nodes,
    },
    {
      pieceStarts: starts,
      pieceBytes: bytes,
      pieceTypes: typeBytes(contract, table),
      pieceHash: pieceHash(table),
      mergeHash: mergeHash(table),
      byteIds: Uint32Array.from(byteIds(contract), (id) => (id < 0 ? noSymbol : id)),
      specialClasses: specials.classOf,
      specialTable: specials.table,
      specialIds: specials.ids,
      splits,
      splitTables: tables,
      nfc: contract.nfc ? nfcTables() : new Uint8Array(0),
    },
  )
}

const mostSplits = 16

function flagsOf(contract: TokenizerContract, table: MergeTable): number {
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
    cutBeforeSpace: contract.kind === 'spm' && !contract.cutAtSpaces && !joinsBeforeSpace(table),
    cutAtSpaces: contract.cutAtSpaces,
    nfc: contract.nfc,
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
      (ends.has(id) ? 0x10 : 0) |
      (whole[id] ? 0x20 : 0) |
      (piece?.stripLeft ? 0x40 : 0) |
      (piece?.stripRight ? 0x80 : 0)
    )
  })
}

function pieceHash({ symbols }: MergeTable): Uint32Array {
  const taken = new Set<string>()
  const entries = symbols.flatMap(({ key, bytes }, id) => {
    if (key === null || taken.has(key)) return []
    taken.add(key)
    return [{ id, hash: fnv1a(bytes) }]
  })
  const slots = new Uint32Array(capacityFor(entries.length)).fill(noSymbol)
  for (const { id, hash } of entries) {
    let at = hash & (slots.length - 1)
    while (slots[at] !== noSymbol) at = (at + 1) & (slots.length - 1)
    slots[at] = id
  }
  return slots
}

function mergeHash({ left, right, rank, joined }: MergeTable): Uint32Array {
  const capacity = capacityFor(left.length)
  const slots = new Uint32Array(4 * capacity)
  for (let at = 0; at < capacity; at++) slots[4 * at] = noSymbol
  left.forEach((id, row) => {
    let at = mergeHashOf(id, right[row]!) & (capacity - 1)
    while (slots[4 * at] !== noSymbol) at = (at + 1) & (capacity - 1)
    slots.set([id, right[row]!, rank[row]!, joined[row]!], 4 * at)
  })
  return slots
}

/** The least power of two of which `entries` fill at most half. */
function capacityFor(entries: number): number {
  let capacity = 2
  while (capacity < 2 * entries) capacity *= 2
  return capacity
}
