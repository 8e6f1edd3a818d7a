import { fail } from '../base/errors.ts'
import { printable } from '../formats/names.ts'
import { compilePattern, type SplitAutomaton } from './compilePattern.ts'
import { PatternRefusal, parsePattern } from './parsePattern.ts'

/** A split pattern to its automaton. Raises tokenizer_invalid, with the pattern's name and what in it is impossible. */
export function compileSplit(path: string, pattern: string): SplitAutomaton {
  try {
    return compilePattern(parsePattern(pattern))
  } catch (error) {
    if (!(error instanceof PatternRefusal)) throw error
    return fail('tokenizer_invalid', {
      path,
      what: `split pattern ${printable(JSON.stringify(pattern), 300)}: ${printable(error.message, 300)}`,
      accepted: 'characters, classes, alternatives, repetitions, (?i:...), and lookahead at one character',
    })
  }
}
