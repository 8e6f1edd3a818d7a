/**
 * The tokenizer blob: every table that `src/engine/tokenizer*.c` needs, read in place. Little-endian; the blob and each
 * section begin at a multiple of 8 bytes; offsets count from the blob's first byte. `src/engine/tokenizer_tables.h` is
 * the same in C.
 *
 * Header (64 bytes): magic "CKTOKENS"; u32 version 1; u32 kind (0 characters, 1 bytes); u64 bytes of the blob; u32 flags
 * (`blobFlags`); u32 vocabulary; u32 symbols >= vocabulary; i32 bos, eos, unknown (-1: none); u32 splits; u32 classes and
 * u32 nodes of the special-token automaton; u32 0. Then a {u64 offset, u64 bytes} for each of `blobSections`:
 *
 * - pieceStarts: u32 [symbols + 1] into pieceBytes, ascending. Symbols below `vocabulary` are the ids; those above are
 *   characters without a piece of their own. A space is byte 0x20 in both kinds.
 * - pieceBytes: what each symbol writes.
 * - pieceTypes: u8 [symbols], low 3 bits as `pieceTypes` (0: no piece); 0x10 ends a generation; 0x20 merging its own text
 *   gives it back; 0x40, 0x80 takes white space before, after it.
 * - pieceHash: u32 [power of two] symbol or 0xffffffff, by FNV-1a of its bytes, linear probing, at least half empty.
 * - mergeHash: {u32 left, right, rank, joined} [power of two], left 0xffffffff where empty, by `mergeHashOf`, same probing.
 *   The lowest rank joins first, then the leftmost.
 * - byteIds: u32 [256] id that writes this byte alone, or 0xffffffff.
 * - specialClasses: u8 [256] class of a byte, < classes; specialTable: u32 [nodes, classes] next node, 0: none, 1 is the
 *   root; specialIds: i32 [nodes] token that ends at this node, or -1.
 * - splits: per pattern {u32 classes, u32 states, u32 blocks, u32 class of a byte that is no UTF-8, u64 offset of blockOf,
 *   u64 offset of classOf, u64 offset of table} into splitTables: blockOf u16 [4352] block of code point / 256; classOf u8
 *   [blocks, 256]; table u16 [states, classes + 1] as `SplitAutomaton.table`.
 * - nfc: empty without the flag. {u32 blocks, expansions, compositions, 0}; then blockOf u16 [4352]; u8 [blocks, 256] the
 *   order of combining marks (1 ..), 254: a starter that NFC changes or that may join what stands before it, 0: any other;
 *   expansions {u32 code, u32 [4] full canonical decomposition, 0-padded}, compositions {u32 first, second, composed},
 *   each ascending. Hangul syllables are in neither: they are computed.
 */
export const blobVersion = 1

export const blobSections = [
  'pieceStarts',
  'pieceBytes',
  'pieceTypes',
  'pieceHash',
  'mergeHash',
  'byteIds',
  'specialClasses',
  'specialTable',
  'specialIds',
  'splits',
  'splitTables',
  'nfc',
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
  /** Words of characters end before a space that follows something else. */
  cutBeforeSpace: 512,
  /** Words of characters begin at every space. */
  cutAtSpaces: 1024,
  nfc: 2048,
} as const

export const headerBytes = 64 + 16 * blobSections.length
export const noSymbol = 0xffffffff

/** The numbers of the header that are not derived from the sections. */
export interface BlobHeader {
  readonly kind: 'spm' | 'bpe'
  readonly flags: number
  readonly vocabulary: number
  readonly symbols: number
  readonly bos: number
  readonly eos: number
  readonly unknown: number
  readonly splits: number
  readonly specialClasses: number
  readonly specialNodes: number
}

/** Lays header and sections out. */
export function writeBlob(header: BlobHeader, sections: { readonly [S in BlobSection]: ArrayBufferView }): Uint8Array {
  const aligned = (bytes: number) => Math.ceil(bytes / 8) * 8
  const total = blobSections.reduce((sum, name) => sum + aligned(sections[name].byteLength), headerBytes)
  const blob = new Uint8Array(total)
  const view = new DataView(blob.buffer)
  blob.set(Buffer.from('CKTOKENS'))
  view.setUint32(8, blobVersion, true)
  view.setUint32(12, header.kind === 'bpe' ? 1 : 0, true)
  view.setBigUint64(16, BigInt(total), true)
  view.setUint32(24, header.flags, true)
  view.setUint32(28, header.vocabulary, true)
  view.setUint32(32, header.symbols, true)
  view.setInt32(36, header.bos, true)
  view.setInt32(40, header.eos, true)
  view.setInt32(44, header.unknown, true)
  view.setUint32(48, header.splits, true)
  view.setUint32(52, header.specialClasses, true)
  view.setUint32(56, header.specialNodes, true)
  let offset = headerBytes
  blobSections.forEach((name, i) => {
    const section = sections[name]
    view.setBigUint64(64 + 16 * i, BigInt(offset), true)
    view.setBigUint64(72 + 16 * i, BigInt(section.byteLength), true)
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
