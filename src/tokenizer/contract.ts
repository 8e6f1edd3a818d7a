import type { NormalStep } from './normalStep.ts'

/** What a piece is for; the numbers are those of `tokenizer.ggml.token_type` and of the blob. */
export const pieceTypes = { normal: 1, unknown: 2, control: 3, user: 4, unused: 5, byte: 6 } as const
export type PieceType = keyof typeof pieceTypes

/** One entry of the vocabulary; its index is its id. */
export interface Piece {
  /**
   * The text it stands for. `bpe`: the bytes themselves, no longer in the printable alphabet. `spm`, `unigram`: UTF-8 with
   * U+2581 for a space; for type `byte` the single byte. `wordpiece`: UTF-8, with `continuation` in front of a piece that
   * goes on with a word.
   */
  readonly bytes: Uint8Array
  readonly type: PieceType
  /** White space before (after) it in the text belongs to it and is lost. Control and user pieces only. */
  readonly stripLeft?: boolean
  readonly stripRight?: boolean
  /** It is found only where no letter, digit or mark touches it. Control and user pieces only. */
  readonly singleWord?: boolean
  /** It is looked for behind the steps of normalising, and is normalised itself. Control and user pieces only. */
  readonly normalized?: boolean
}

/** What `wordpiece` pieces that go on with a word begin with. */
export const continuation = '##'

/** Whether text gets one space in front: never, at the start of the text, or after each special token too. */
export type Prefix = 'none' | 'first' | 'always'

/** What becomes of a split's matches, in the order of the blob's numbers; what lies between is a piece of its own. */
export const splitBehaviours = ['isolated', 'removed', 'mergedWithPrevious', 'mergedWithNext', 'contiguous'] as const
export type SplitBehaviour = (typeof splitBehaviours)[number]

/** One cut of the text: into the matches of a pattern and what lies between them. */
export interface Split {
  readonly pattern: string
  readonly behaviour: SplitBehaviour
  /** The matches are what the pattern does not match. */
  readonly invert: boolean
}

/** How the words that are left become pieces. `spm` merges characters, `bpe` bytes; `unigram` maximises the scores' sum. */
export type TokenizerKind = 'spm' | 'bpe' | 'unigram' | 'wordpiece'

/** Everything that decides how text becomes ids, free of the file it came from. `compileTokenizer` makes tables of it. */
export interface TokenizerContract {
  readonly kind: TokenizerKind
  /** Where it was read, for messages. */
  readonly path: string
  readonly pieces: readonly Piece[]
  /**
   * [pieces] `spm` without merges: two pieces join when their union is a piece, the highest score first. `unigram`: the
   * logarithm of each piece's probability.
   */
  readonly scores: Float32Array | Float64Array | null
  /** `unigram`: the score of a character without a piece. */
  readonly unknownScore: number
  /** [merges, 3] ids left, right, joined; the first row joins first. Empty where scores decide. */
  readonly merges: Uint32Array
  /** What is done to text between special tokens, in order. */
  readonly steps: readonly NormalStep[]
  /** Applied one after the other, each to the pieces that the one before left. */
  readonly splits: readonly Split[]
  /** A word that is a piece is that piece, whatever the merges would give (`ignore_merges`). */
  readonly wholeWords: boolean
  /** `bpe`: before the splits; `spm`, `unigram`: in front of each piece that they leave. */
  readonly prefix: Prefix
  /** No prefix where the text begins with a space (Metaspace; SentencePiece adds it always). */
  readonly prefixUnlessSpace: boolean
  /** Decoding drops one space at the start of the text. */
  readonly stripPrefix: boolean
  /** `spm`, `unigram`: no piece goes across the beginning of a space (Metaspace with `split`). */
  readonly cutAtSpaces: boolean
  /** `spm`, `unigram`: a character without a piece becomes its bytes' pieces; else the unknown piece. */
  readonly byteFallback: boolean
  /** Neighbouring unknown characters become one unknown piece. */
  readonly fuseUnknown: boolean
  /** `wordpiece`: a longer word is the unknown piece. */
  readonly mostWordCharacters: number
  /** `wordpiece`: decoding leaves out the space before punctuation and English contractions. */
  readonly cleanUp: boolean
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

/** The fields that most contracts leave as they are. */
export const plainContract = {
  scores: null,
  unknownScore: 0,
  merges: new Uint32Array(0),
  steps: [],
  splits: [],
  wholeWords: false,
  prefix: 'none',
  prefixUnlessSpace: false,
  stripPrefix: false,
  cutAtSpaces: false,
  byteFallback: false,
  fuseUnknown: false,
  mostWordCharacters: 0,
  cleanUp: false,
  eot: -1,
} as const satisfies Partial<TokenizerContract>

/** A split whose matches and gaps are all pieces. */
export const isolate = (pattern: string): Split => ({ pattern, behaviour: 'isolated', invert: false })
