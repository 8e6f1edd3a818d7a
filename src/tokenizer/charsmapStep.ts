import { fail } from '../base/errors.ts'
import { readCharsmap } from './charsmap.ts'
import type { NormalStep } from './normalStep.ts'

/** The step of a character map, none where it is empty. Raises tokenizer_invalid for a damaged one. */
export function charsmapStep(charsmap: Uint8Array, clusters: boolean, path: string): NormalStep[] {
  if (charsmap.length === 0) return []
  const map = readCharsmap(charsmap)
  if (typeof map !== 'string') return [{ step: 'charsmap', charsmap, clusters }]
  const what = `the precompiled character map is damaged: ${map}`
  return fail('tokenizer_invalid', { path, what, accepted: "SentencePiece's trie with the texts that it leads to" })
}
