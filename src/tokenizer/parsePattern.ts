import { type AST, RegExpParser } from '@eslint-community/regexpp'
import { type CodeSet, complement, lastCodePoint, unite } from './codeSet.ts'
import { ignoringCase, matching } from './unicodeSets.ts'

/** A split pattern with its classes resolved. Alternatives and repetitions are in order of preference. */
export type PatternNode =
  | { readonly kind: 'one'; readonly set: CodeSet }
  | { readonly kind: 'sequence'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly items: readonly PatternNode[] }
  | {
      readonly kind: 'repeat'
      readonly body: PatternNode
      readonly min: number
      readonly max: number
      readonly greedy: boolean
    }
  /** Takes nothing: the next character is in `set`, or there is none and `end` is true. */
  | { readonly kind: 'next'; readonly set: CodeSet; readonly end: boolean }

const newline: CodeSet = [10, 10]

/** Raised where a pattern cannot be compiled; `message` completes "split pattern '...': ". */
export class PatternRefusal extends Error {}

/**
 * Parses a split pattern as Oniguruma reads it: `\s`, `\d`, `\w` mean Unicode's classes, `$` the end of the text or of a
 * line, and a backslash before any other punctuation means that.
 * Refuses (PatternRefusal) what a walk with one character of lookahead cannot decide, by name.
 */
export function parsePattern(source: string): PatternNode {
  let pattern: AST.Pattern
  try {
    const plain = withoutIdleEscapes(source)
    pattern = new RegExpParser({ ecmaVersion: 2025 }).parsePattern(plain, 0, plain.length, { unicode: true })
  } catch (error) {
    throw new PatternRefusal(error instanceof Error ? error.message : String(error))
  }
  return choice(pattern.alternatives, { ignoreCase: false })
}

/** Drops backslashes that mean nothing, which JavaScript does not allow. */
function withoutIdleEscapes(source: string): string {
  let inClass = false
  return source.replace(/\\?[\s\S]/gu, (part) => {
    if (part === '[') inClass = true
    if (part === ']') inClass = false
    const idle = part === '\\-' ? !inClass : /^\\[!"#%&',:;<=>@_`~ ]$/.test(part)
    return idle ? part.slice(1) : part
  })
}

interface Scope {
  readonly ignoreCase: boolean
}

function choice(alternatives: readonly AST.Alternative[], scope: Scope): PatternNode {
  const items = alternatives.map((alternative): PatternNode => {
    const parts = alternative.elements.map((element) => node(element, scope))
    return parts.length === 1 ? parts[0]! : { kind: 'sequence', items: parts }
  })
  return items.length === 1 ? items[0]! : { kind: 'choice', items }
}

function node(element: AST.Element, scope: Scope): PatternNode {
  switch (element.type) {
    case 'Character':
    case 'CharacterSet':
    case 'CharacterClass':
      return { kind: 'one', set: classOf(element, scope) }
    case 'Group':
      return choice(element.alternatives, { ...scope, ignoreCase: caseIn(element, scope) })
    case 'CapturingGroup':
      return choice(element.alternatives, scope)
    case 'Quantifier':
      return {
        kind: 'repeat',
        body: node(element.element, scope),
        min: element.min,
        max: element.max,
        greedy: element.greedy,
      }
    case 'Assertion':
      return assertion(element, scope)
    case 'Backreference':
      throw new PatternRefusal(`back reference ${element.raw} needs memory of what was matched`)
    default:
      throw new PatternRefusal(`${element.raw} is not a part that can be compiled`)
  }
}

function caseIn(group: AST.Group, scope: Scope): boolean {
  const { add, remove } = group.modifiers ?? { add: null, remove: null }
  if (add?.dotAll || add?.multiline || remove?.dotAll || remove?.multiline) {
    throw new PatternRefusal(`modifier in ${group.raw}: only i can be set`)
  }
  return add?.ignoreCase ? true : remove?.ignoreCase ? false : scope.ignoreCase
}

function assertion(element: AST.Assertion, scope: Scope): PatternNode {
  if (element.kind === 'end') return { kind: 'next', set: newline, end: true }
  if (element.kind !== 'lookahead') {
    throw new PatternRefusal(`assertion ${element.raw} looks back, and only what follows can be looked at`)
  }
  const members: CodeSet[] = []
  let end = false
  for (const { elements, raw } of element.alternatives) {
    const only = elements[0]
    if (!only || elements.length > 1) throw new PatternRefusal(`lookahead at '${raw}': must be a single character`)
    if (only.type === 'Assertion' && only.kind === 'end') {
      end = true
      members.push(newline)
    } else members.push(classOf(only, scope))
  }
  const set = unite(...members)
  return element.negate ? { kind: 'next', set: complement(set), end: !end } : { kind: 'next', set, end }
}

function classOf(element: AST.Element | AST.CharacterClassElement, scope: Scope): CodeSet {
  const cased = (set: CodeSet) => (scope.ignoreCase ? ignoringCase(set) : set)
  switch (element.type) {
    case 'Character':
      return cased([element.value, element.value])
    case 'CharacterClassRange':
      return cased([element.min.value, element.max.value])
    case 'CharacterSet':
      return characterSet(element)
    case 'CharacterClass': {
      const parts: readonly AST.CharacterClassElement[] = element.elements
      const set = unite(...parts.map((part) => classOf(part, scope)))
      return element.negate ? complement(set) : set
    }
    default:
      throw new PatternRefusal(`'${element.raw}' is not a single character`)
  }
}

function characterSet(element: AST.CharacterSet): CodeSet {
  const signed = (set: CodeSet, negate: boolean) => (negate ? complement(set) : set)
  switch (element.kind) {
    case 'any':
      return [0, 9, 11, lastCodePoint]
    case 'space':
      return signed(matching('\\p{White_Space}'), element.negate)
    case 'digit':
      return signed(matching('\\p{Nd}'), element.negate)
    case 'word':
      return signed(matching('[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]'), element.negate)
    case 'property': {
      const name = element.value === null ? element.key : `${element.key}=${element.value}`
      return signed(matching(`\\p{${name}}`), element.negate)
    }
  }
}
