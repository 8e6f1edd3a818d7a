import type { CharacterMap } from './characterMaps.ts'

/** The Unicode normalisation forms (Unicode Standard Annex 15). */
export type UnicodeForm = 'NFC' | 'NFD' | 'NFKC' | 'NFKD'

/** One thing done to text before it is cut. `normalizeText` does it here, `tokenizer_normalize.c` in the engine. */
export type NormalStep =
  | { readonly step: 'form'; readonly form: UnicodeForm }
  /** Each character becomes a text of its own. */
  | { readonly step: 'map'; readonly map: CharacterMap }
  | { readonly step: 'replace'; readonly pattern: string; readonly content: string }
  /** `text` in front of text that is not empty. */
  | { readonly step: 'prepend'; readonly text: string }
  /** White space goes. */
  | { readonly step: 'strip'; readonly left: boolean; readonly right: boolean }
  /**
   * SentencePiece's character map: the longest key at each place. With `clusters` as Hugging Face tokenizers does it: the
   * shortest key of each grapheme cluster of fewer than 6 bytes, else of each character, replaces all of it.
   */
  | { readonly step: 'charsmap'; readonly charsmap: Uint8Array; readonly clusters: boolean }
  /**
   * Of several spaces in a row one stays (SentencePiece's remove_extra_whitespaces), and none at the ends: of the whole text,
   * or of each stretch between special tokens.
   */
  | { readonly step: 'squeeze'; readonly ends: 'text' | 'stretch' }
