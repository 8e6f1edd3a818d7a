import type { TokenizerKind } from './contract.ts'

/**
 * The tokenizer blob: every table that `src/engine/tokenizer*.c` needs, read in place. Little-endian; the blob and each
 * section begin at a multiple of 8 bytes; offsets count from the blob's first byte. `src/engine/tokenizer_tables.h` is
 * the same in C.
 *
 * Header (96 bytes): magic "CKTOKENS"; u32 version 2; u32 kind (`blobKinds`); u64 bytes of the blob; u32 flags
 * (`blobFlags`); u32 vocabulary; u32 symbols >= vocabulary; i32 bos, eos, unknown (-1: none); u32 splits; u32 automata >=
 * splits; u32 steps; u32 index + 1 of the automaton of a character of words (0: none); u32 [2] classes and u32 [2] nodes of
 * the special-token automata; u32 most characters of a word; u32 0; f64 score of an unknown character. Then a {u64 offset,
 * u64 bytes} for each of `blobSections`:
 *
 * - pieceStarts: u32 [symbols + 1] into pieceBytes, ascending. Symbols below `vocabulary` are the ids; those above are
 *   characters without a piece of their own. A space is byte 0x20 in every kind.
 * - pieceBytes: what each symbol writes.
 * - pieceTypes: u8 [symbols], low 3 bits as `pieceTypes` (0: no piece); 8 only apart from words; 0x10 ends a generation;
 *   0x20 merging its own text gives it back; 0x40, 0x80 takes white space before, after it.
 * - pieceHash: u32 [power of two] symbol or 0xffffffff, by FNV-1a of its bytes, linear probing, at least half empty.
 * - mergeHash: {u32 left, right, rank, joined} [power of two], left 0xffffffff where empty, by `mergeHashOf`, same probing.
 *   The lowest rank joins first, then the leftmost.
 * - byteIds: u32 [256] id that writes this byte alone, or 0xffffffff.
 * - joins: bits [256, 256], the lowest of a byte first: 1 where a piece may hold the second byte behind the first, so that a
 *   text of `spm`, `unigram` is not cut between them; empty for the others.
 * - specialClasses: u8 [2, 256] class of a byte, < classes; specialTable: u32 [nodes, classes] next node, 0: none, 1 is the
 *   root; specialIds: i32 [nodes] token that ends at this node, or -1; each twice: for raw text, for normalised text.
 * - automata: per pattern {u32 classes, u32 states, u32 blocks, u32 class of a byte that is no UTF-8, u32 number in
 *   `splitBehaviours` + 8 where inverted, u32 0, u64 offset of blockOf, u64 offset of classOf, u64 offset of table} into
 *   automatonTables: blockOf u16 [4352] block of code point / 256; classOf u8 [blocks, 256]; table u16 [states, classes + 1]
 *   as `SplitAutomaton.table`. The splits' own come first.
 * - steps: per step of normalising {u32 kind, u32 argument, u64 offset, u64 bytes} into stepTables:
 *   0 form, argument 1: composes. {u32 blocks, expansions, parts, compositions}; blockOf u16 [4352]; u8 [blocks, 256] the order
 *     of combining marks (1 ..), 254: a starter that the form changes or that may join what stands before it, 0: any other;
 *     expansions {u32 code, first, count} into parts u32 [parts]; compositions {u32 first, second, composed}; both ascending.
 *     Hangul syllables are in neither: they are computed.
 *   1 map. {u32 blocks, rows, bytes, 0}; blockOf u16 [4352]; u16 [blocks, 256] 0: stays, 1: gets spaces on both sides, 2 + row;
 *     u32 [rows + 1] into the texts behind them.
 *   2 replace, argument: automaton. The content. 3 prepend. The text. 4 strip, argument 1 left + 2 right.
 *   5 charsmap, argument: index + 1 of the automaton of clusters, or 0. As `readCharsmap` reads it. 6 squeeze,
 *     argument 1: only at the text's own ends.
 * - trie: as `pieceTrie`, of `unigram` and `wordpiece` pieces; scores: f64 [vocabulary] of `unigram`.
 */
export const blobVersion = 2

/** The numbers of the kinds in the blob. */
export const blobKinds = { spm: 0, bpe: 1, unigram: 2, wordpiece: 3 } as const satisfies Record<TokenizerKind, number>

export const blobSections = [
  'pieceStarts',
  'pieceBytes',
  'pieceTypes',
  'pieceHash',
  'mergeHash',
  'byteIds',
  'joins',
  'specialClasses',
  'specialTable',
  'specialIds',
  'automata',
  'automatonTables',
  'steps',
  'stepTables',
  'trie',
  'scores',
] as const
export type BlobSection = (typeof blobSections)[number]

export const blobFlags = {
  addBos: 1,
  addEos: 2,
  prefixFirst: 4,
  prefixAlways: 8,
  prefixUnlessSpace: 16,
  stripPrefix: 32,
  byteFallback: 64,
  fuseUnknown: 128,
  wholeWords: 256,
  /** Words of characters begin at every space. */
  cutAtSpaces: 512,
} as const

const fixedBytes = 96
export const headerBytes = fixedBytes + 16 * blobSections.length
export const noSymbol = 0xffffffff

/** The numbers of the header that are not derived from the sections. */
export interface BlobHeader {
  readonly kind: TokenizerKind
  readonly flags: number
  readonly vocabulary: number
  readonly symbols: number
  readonly bos: number
  readonly eos: number
  readonly unknown: number
  readonly splits: number
  readonly automata: number
  readonly steps: number
  readonly wordAutomaton: number
  /** In raw text, in normalised text. */
  readonly specialClasses: readonly [number, number]
  readonly specialNodes: readonly [number, number]
  readonly mostWordCharacters: number
  readonly unknownScore: number
}

/** Lays header and sections out. */
export function writeBlob(header: BlobHeader, sections: { readonly [S in BlobSection]: ArrayBufferView }): Uint8Array {
  const aligned = (bytes: number) => Math.ceil(bytes / 8) * 8
  const total = blobSections.reduce((sum, name) => sum + aligned(sections[name].byteLength), headerBytes)
  const blob = new Uint8Array(total)
  const view = new DataView(blob.buffer)
  blob.set(Buffer.from('CKTOKENS'))
  view.setUint32(8, blobVersion, true)
  view.setUint32(12, blobKinds[header.kind], true)
  view.setBigUint64(16, BigInt(total), true)
  view.setUint32(24, header.flags, true)
  view.setUint32(28, header.vocabulary, true)
  view.setUint32(32, header.symbols, true)
  view.setInt32(36, header.bos, true)
  view.setInt32(40, header.eos, true)
  view.setInt32(44, header.unknown, true)
  view.setUint32(48, header.splits, true)
  view.setUint32(52, header.automata, true)
  view.setUint32(56, header.steps, true)
  view.setUint32(60, header.wordAutomaton, true)
  for (const i of [0, 1] as const) {
    view.setUint32(64 + 4 * i, header.specialClasses[i], true)
    view.setUint32(72 + 4 * i, header.specialNodes[i], true)
  }
  view.setUint32(80, header.mostWordCharacters, true)
  view.setFloat64(88, header.unknownScore, true)
  let offset = headerBytes
  blobSections.forEach((name, i) => {
    const section = sections[name]
    view.setBigUint64(fixedBytes + 16 * i, BigInt(offset), true)
    view.setBigUint64(fixedBytes + 8 + 16 * i, BigInt(section.byteLength), true)
    blob.set(new Uint8Array(section.buffer, section.byteOffset, section.byteLength), offset)
    offset += aligned(section.byteLength)
  })
  return blob
}

/** FNV-1a of a byte string, 32 bits. */
export function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash >>> 0
}

/** Hash of a pair of symbols, 32 bits; its low bits are used. */
export function mergeHashOf(left: number, right: number): number {
  const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)
  return (mixed ^ (mixed >>> 15)) >>> 0
}
