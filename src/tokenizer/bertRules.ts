import { isolate, type Split } from './contract.ts'
import type { NormalStep } from './normalStep.ts'

/** Punctuation as BERT sees it: Unicode's, and every ASCII character that is neither letter, digit, space nor control. */
export const punctuation = '[\\p{P}!-\\/:-@\\[-`{-~]'

/** BERT's words: white space is dropped, and each punctuation character is a word. */
export const bertSplits: readonly Split[] = [
  { pattern: '\\s+', behaviour: 'removed', invert: false },
  isolate(punctuation),
]

/** BERT's normalising (BasicTokenizer in its tokenization.py), each part as it is asked for. */
export function bertSteps(ask: {
  readonly cleanText: boolean
  readonly spaceIdeographs: boolean
  readonly stripAccents: boolean
  readonly lowercase: boolean
}): NormalStep[] {
  return [
    ...(ask.cleanText ? [{ step: 'map', map: 'cleanText' } as const] : []),
    ...(ask.spaceIdeographs ? [{ step: 'map', map: 'spaceIdeographs' } as const] : []),
    ...(ask.stripAccents
      ? [{ step: 'form', form: 'NFD' } as const, { step: 'map', map: 'dropNonspacingMarks' } as const]
      : []),
    ...(ask.lowercase ? [{ step: 'map', map: 'lowercase' } as const] : []),
  ]
}
