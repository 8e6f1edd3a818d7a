/** What a piece is for; the numbers are those of `tokenizer.ggml.token_type` and of the blob. */
export const pieceTypes = { normal: 1, unknown: 2, control: 3, user: 4, unused: 5, byte: 6 } as const
export type PieceType = keyof typeof pieceTypes

/** One entry of the vocabulary; its index is its id. */
export interface Piece {
  /**
   * The text it stands for. `bpe`: the bytes themselves, no longer in the printable alphabet. `spm`: UTF-8 with U+2581
   * for a space; for type `byte` the single byte.
   */
  readonly bytes: Uint8Array
  readonly type: PieceType
  /** White space before (after) it in the text belongs to it and is lost. Control and user pieces only. */
  readonly stripLeft?: boolean
  readonly stripRight?: boolean
}

/** Whether text gets one space in front: never, at the start of the text, or after each special token too. */
export type Prefix = 'none' | 'first' | 'always'

/**
 * Everything that decides how text becomes ids, free of the file it came from. `compileTokenizer` makes tables of it.
 * WordPiece and Unigram vocabularies would be further kinds.
 */
export interface TokenizerContract {
  /** `spm`: merges characters, a space is U+2581. `bpe`: merges bytes, inside the pieces that the splits cut. */
  readonly kind: 'spm' | 'bpe'
  /** Where it was read, for messages. */
  readonly path: string
  readonly pieces: readonly Piece[]
  /** [pieces] for `spm` without merges: two pieces join when their union is a piece, the highest score first. */
  readonly scores: Float32Array | null
  /** [merges, 3] ids left, right, joined; the first row joins first. Empty where scores decide. */
  readonly merges: Uint32Array
  /** Patterns applied one after the other; each cuts what the one before left whole into matches and the rest. */
  readonly splits: readonly string[]
  /** A word that is a piece is that piece, whatever the merges would give (`ignore_merges`). */
  readonly wholeWords: boolean
  readonly prefix: Prefix
  /** No prefix where the text begins with a space (Metaspace; SentencePiece adds it always). */
  readonly prefixUnlessSpace: boolean
  /** Decoding drops one space at the start of the text. */
  readonly stripPrefix: boolean
  /** `spm`: no piece joins across the beginning of a space (Metaspace with `split`). */
  readonly cutAtSpaces: boolean
  /** `spm`: a character without a piece becomes its bytes' pieces; else the unknown piece. */
  readonly byteFallback: boolean
  /** Neighbouring unknown characters become one unknown piece. */
  readonly fuseUnknown: boolean
  /** Text is brought to Unicode NFC first. */
  readonly nfc: boolean
  /** -1: none. */
  readonly bos: number
  readonly eos: number
  readonly eot: number
  readonly unknown: number
  readonly addBos: boolean
  readonly addEos: boolean
  /** Ids that end a generation, ascending. */
  readonly ends: readonly number[]
}
