import { type CodeSet, contains } from './codeSet.ts'
import { type PatternNode, PatternRefusal } from './parsePattern.ts'

/**
 * A leftmost-first automaton: from `startState` at some place it finds the match that a backtracking engine would find
 * there. `table[state * (classes + 1) + class]`, where class `classes` is the end of the text, holds the next state
 * (0: none) and `acceptBit` where a match ends before the character just read; the last such place wins.
 */
export interface SplitAutomaton {
  readonly classes: number
  readonly states: number
  readonly table: Uint16Array
  /** Ranges of equal class: `starts[i]` .. `starts[i + 1] - 1` have class `classOf[i]`. */
  readonly starts: readonly number[]
  readonly classOf: readonly number[]
}

export const startState = 1
export const acceptBit = 0x8000

const mostInstructions = 20_000
const mostStates = 4_000
const mostClasses = 250

/**
 * Determinises a pattern. The states are ordered lists of instructions (an earlier one is preferred, whatever follows a
 * match is dropped), which keeps a backtracking engine's choice. Raises PatternRefusal for patterns that match the empty
 * text or grow too large.
 */
export function compilePattern(pattern: PatternNode): SplitAutomaton {
  const sets: CodeSet[] = []
  collectSets(pattern, sets)
  const alphabet = divide(sets)
  const program = assemble(pattern, alphabet)
  return determinise(program, alphabet)
}

/** Whether a match begins at every place, so that nothing is left between matches. Sufficient, not necessary. */
export function matchesEverywhere({ classes, table }: SplitAutomaton): boolean {
  const width = classes + 1
  for (let first = 0; first < classes; first++) {
    const state = table[startState * width + first]!
    for (let second = 0; second < width; second++) {
      if (!(table[state * width + second]! & acceptBit)) return false
    }
  }
  return true
}

interface Alphabet {
  readonly starts: readonly number[]
  readonly classOf: readonly number[]
  readonly classes: number
  /** Classes that make up a set. */
  members(set: CodeSet): ReadonlySet<number>
}

type Instruction =
  | { readonly kind: 'one'; readonly classes: ReadonlySet<number>; readonly next: number }
  | { readonly kind: 'next'; readonly classes: ReadonlySet<number>; readonly end: boolean; readonly next: number }
  | { readonly kind: 'split'; readonly first: number; readonly second: number }
  | { readonly kind: 'match' }

function collectSets(node: PatternNode, into: CodeSet[]): void {
  switch (node.kind) {
    case 'one':
    case 'next':
      into.push(node.set)
      break
    case 'repeat':
      collectSets(node.body, into)
      break
    case 'sequence':
    case 'choice':
      for (const item of node.items) collectSets(item, into)
  }
}

/** Code points that no set tells apart share a class. */
function divide(sets: readonly CodeSet[]): Alphabet {
  const edges = new Set([0])
  for (const set of sets) {
    for (let i = 0; i < set.length; i += 2) {
      edges.add(set[i]!)
      if (set[i + 1]! < 0x10ffff) edges.add(set[i + 1]! + 1)
    }
  }
  const ordered = [...edges].sort((a, b) => a - b)
  const starts: number[] = []
  const classOf: number[] = []
  const numbers = new Map<string, number>()
  const samples: number[] = []
  for (const edge of ordered) {
    const signature = sets.map((set) => (contains(set, edge) ? '1' : '0')).join('')
    let number = numbers.get(signature)
    if (number === undefined) {
      number = numbers.size
      numbers.set(signature, number)
      samples.push(edge)
    }
    if (classOf[classOf.length - 1] === number) continue
    starts.push(edge)
    classOf.push(number)
  }
  if (samples.length > mostClasses) {
    throw new PatternRefusal(`tells ${samples.length} kinds of character apart; at most ${mostClasses} are possible`)
  }
  return {
    starts,
    classOf,
    classes: samples.length,
    members: (set) => new Set(samples.flatMap((sample, number) => (contains(set, sample) ? [number] : []))),
  }
}

/** Instructions from last to first: each part is given where it goes on, and returns where it begins. */
function assemble(pattern: PatternNode, alphabet: Alphabet): { code: readonly Instruction[]; entry: number } {
  const code: Instruction[] = [{ kind: 'match' }]
  const emit = (instruction: Instruction): number => {
    if (code.length >= mostInstructions) throw new PatternRefusal(`is longer than ${mostInstructions} steps`)
    return code.push(instruction) - 1
  }
  const place = (node: PatternNode, next: number): number => {
    switch (node.kind) {
      case 'one':
        return emit({ kind: 'one', classes: alphabet.members(node.set), next })
      case 'next':
        return emit({ kind: 'next', classes: alphabet.members(node.set), end: node.end, next })
      case 'sequence':
        return node.items.reduceRight((at, item) => place(item, at), next)
      case 'choice':
        return node.items
          .map((item) => place(item, next))
          .reduceRight((second, first) => emit({ kind: 'split', first, second }))
      case 'repeat':
        return repeat(node, next)
    }
  }
  const repeat = (node: PatternNode & { kind: 'repeat' }, next: number): number => {
    const either = (body: number, out: number): Instruction =>
      node.greedy ? { kind: 'split', first: body, second: out } : { kind: 'split', first: out, second: body }
    let at = next
    if (node.max === Number.POSITIVE_INFINITY) {
      const loop = emit({ kind: 'match' })
      code[loop] = either(place(node.body, loop), next)
      at = loop
    } else {
      for (let i = node.min; i < node.max; i++) at = emit(either(place(node.body, at), next))
    }
    for (let i = 0; i < node.min; i++) at = place(node.body, at)
    return at
  }
  const entry = place(pattern, 0)
  return { code, entry }
}

function determinise(program: { code: readonly Instruction[]; entry: number }, alphabet: Alphabet): SplitAutomaton {
  const { code, entry } = program
  const width = alphabet.classes + 1
  const numbers = new Map<string, number>()
  const lists: (readonly number[])[] = [[]]
  const stateOf = (list: readonly number[]): number => {
    if (list.length === 0) return 0
    const key = list.join(' ')
    let number = numbers.get(key)
    if (number === undefined) {
      if (lists.length > mostStates) throw new PatternRefusal(`needs more than ${mostStates} states`)
      number = lists.push(list) - 1
      numbers.set(key, number)
    }
    return number
  }
  stateOf(settle(code, [entry]))
  const rows: number[] = new Array(width).fill(0)
  for (let state = startState; state < lists.length; state++) {
    for (let c = 0; c < width; c++) {
      const { accepted, next } = step(code, lists[state]!, c < alphabet.classes ? c : -1)
      if (accepted && state === startState) throw new PatternRefusal('matches the empty text')
      rows.push(stateOf(settle(code, next)) | (accepted ? acceptBit : 0))
    }
  }
  return { ...alphabet, states: lists.length, table: Uint16Array.from(rows) }
}

/** Follows the splits; stops at what needs the next character, and behind a match. */
function settle(code: readonly Instruction[], from: readonly number[]): readonly number[] {
  const seen = new Set<number>()
  const list: number[] = []
  const stack = [...from].reverse()
  while (stack.length > 0) {
    const at = stack.pop()!
    if (seen.has(at)) continue
    seen.add(at)
    const instruction = code[at]!
    if (instruction.kind === 'split') stack.push(instruction.second, instruction.first)
    else list.push(at)
    if (instruction.kind === 'match') break
  }
  return list
}

/** Reads one character of class `c` (-1: the text ends). */
function step(code: readonly Instruction[], list: readonly number[], c: number): { accepted: boolean; next: number[] } {
  const seen = new Set<number>()
  const next: number[] = []
  const stack = [...list].reverse()
  while (stack.length > 0) {
    const at = stack.pop()!
    if (seen.has(at)) continue
    seen.add(at)
    const instruction = code[at]!
    if (instruction.kind === 'match') return { accepted: true, next }
    if (instruction.kind === 'split') stack.push(instruction.second, instruction.first)
    else if (instruction.kind === 'one') {
      if (instruction.classes.has(c)) next.push(instruction.next)
    } else if (c < 0 ? instruction.end : instruction.classes.has(c)) stack.push(instruction.next)
  }
  return { accepted: false, next }
}
