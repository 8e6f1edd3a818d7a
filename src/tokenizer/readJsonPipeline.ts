import type { Json } from '../formats/checkpoint.ts'
import { bertSplits, punctuation } from './bertRules.ts'
import { isolate, type Prefix, type Split, type SplitBehaviour } from './contract.ts'
import type { JsonFields } from './jsonFields.ts'
import { escaped, type JsonStep, patternOf, stepsOf } from './jsonSteps.ts'
import type { NormalStep } from './normalStep.ts'
import { readJsonNormalizer } from './readJsonNormalizer.ts'
import { spaceMark } from './spaceMark.ts'
import { gpt2Pattern } from './splitPatterns.ts'

/** What the normalizer, pre_tokenizer and decoder of a tokenizer.json do to text before words become pieces. */
export interface JsonPipeline {
  readonly byteLevel: boolean
  readonly steps: readonly NormalStep[]
  readonly splits: readonly Split[]
  /** Spaces are U+2581 in the vocabulary. */
  readonly escapes: boolean
  readonly prefix: Prefix
  readonly prefixUnlessSpace: boolean
  readonly stripPrefix: boolean
  readonly cutAtSpaces: boolean
  /** Of a WordPiece decoder. */
  readonly cleanUp: boolean
}

type State = { -readonly [K in keyof JsonPipeline]: JsonPipeline[K] } & { splits: Split[] }

const behaviours: ReadonlyMap<Json, SplitBehaviour> = new Map([
  ['Isolated', 'isolated'],
  ['Removed', 'removed'],
  ['MergedWithPrevious', 'mergedWithPrevious'],
  ['MergedWithNext', 'mergedWithNext'],
  ['Contiguous', 'contiguous'],
])

/** Reads the steps; a step that has no place in a contract is refused by its type (`fields.refuse`). */
export function readJsonPipeline(fields: JsonFields): JsonPipeline {
  const { steps, escapes } = readJsonNormalizer(fields)
  const state: State = {
    byteLevel: false,
    steps,
    splits: [],
    escapes,
    prefix: 'none',
    prefixUnlessSpace: false,
    stripPrefix: false,
    cutAtSpaces: false,
    cleanUp: false,
  }
  for (const { step, where } of stepsOf(fields, fields.json.pre_tokenizer ?? null, 'pre_tokenizer', 'pretokenizers')) {
    preTokenize(fields, step, where, state)
  }
  for (const { step, where } of stepsOf(fields, fields.json.decoder ?? null, 'decoder', 'decoders')) {
    if (!decode(step, state)) {
      fields.refuse(
        `${where} is ${fields.show(step)}`,
        'ByteLevel, ByteFallback, Fuse, Metaspace, WordPiece, Replace "\u2581" by " ", Strip " ", or a Sequence',
      )
    }
  }
  if (state.byteLevel && state.escapes) {
    fields.refuse('spaces are replaced in a byte-level tokenizer', 'either ByteLevel or "\u2581" for spaces')
  }
  return state
}

function preTokenize(fields: JsonFields, step: JsonStep, where: string, state: State): void {
  const refuse: (accepted: string) => never = (accepted) => fields.refuse(`${where} is ${fields.show(step)}`, accepted)
  const pattern = patternOf(step)
  // Spaces are gone where the normaliser replaces them: this cuts nothing.
  if (step.type === 'Split' && pattern === ' ' && state.escapes) return
  if (state.escapes) refuse('nothing but a Split at " " behind spaces that are "\u2581"')
  const behaviour = behaviours.get(step.behavior ?? 'Isolated')
  switch (step.type) {
    case 'ByteLevel':
      if (step.add_prefix_space === true) {
        if (state.splits.length > 0) refuse('ByteLevel with add_prefix_space false behind another step')
        state.prefix = 'always'
        state.prefixUnlessSpace = true
      }
      if (step.use_regex !== false) state.splits.push(isolate(gpt2Pattern))
      state.byteLevel = true
      return
    case 'Digits':
      state.splits.push(isolate(step.individual_digits === true ? '\\p{N}' : '\\p{N}+'))
      return
    case 'Punctuation':
      if (!behaviour) refuse(`Punctuation with behavior ${[...behaviours.keys()].join(', ')}`)
      state.splits.push({ pattern: punctuation, behaviour, invert: false })
      return
    case 'Split':
      if (!pattern) refuse('a Split with a pattern')
      if (!behaviour) refuse(`Split with behavior ${[...behaviours.keys()].join(', ')}`)
      state.splits.push({ pattern, behaviour, invert: step.invert === true })
      return
    case 'Whitespace':
      state.splits.push({ pattern: '\\w+|[^\\w\\s]+', behaviour: 'removed', invert: true })
      return
    case 'WhitespaceSplit':
      state.splits.push({ pattern: '\\s+', behaviour: 'removed', invert: false })
      return
    case 'CharDelimiterSplit':
      if (typeof step.delimiter !== 'string' || step.delimiter === '') refuse('CharDelimiterSplit with a delimiter')
      state.splits.push({ pattern: escaped(step.delimiter), behaviour: 'removed', invert: false })
      return
    case 'BertPreTokenizer':
      state.splits.push(...bertSplits)
      return
    case 'Metaspace':
      if (state.byteLevel) refuse('either ByteLevel or Metaspace')
      if (step.replacement !== spaceMark) refuse('Metaspace with replacement "\u2581"')
      state.escapes = true
      state.prefix = metaspacePrefix(step) ?? refuse('Metaspace with prepend_scheme always, first or never')
      state.prefixUnlessSpace = state.prefix !== 'none'
      state.stripPrefix = state.prefix !== 'none'
      state.cutAtSpaces = step.split !== false
      return
    default:
      refuse(
        'BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, Metaspace, Punctuation, Split, Whitespace, ' +
          'WhitespaceSplit, or a Sequence of these',
      )
  }
}

/** False where the decoder has no place in a contract. */
function decode(step: JsonStep, state: State): boolean {
  switch (step.type) {
    case 'ByteLevel':
      state.byteLevel = true
      return true
    case 'ByteFallback':
    case 'Fuse':
      return true
    case 'Metaspace':
      return step.replacement === spaceMark
    case 'Replace':
      return patternOf(step) === spaceMark && step.content === ' '
    case 'Strip':
      state.stripPrefix ||= step.start === 1
      return step.content === ' ' && (step.start === 0 || step.start === 1) && (step.stop ?? 0) === 0
    case 'WordPiece':
      state.cleanUp = step.cleanup !== false
      return step.prefix === '##'
    default:
      return false
  }
}

function metaspacePrefix(step: JsonStep): Prefix | undefined {
  // Files from before prepend_scheme have add_prefix_space.
  const scheme = step.prepend_scheme ?? (step.add_prefix_space === false ? 'never' : 'always')
  if (scheme === 'never') return 'none'
  return scheme === 'always' || scheme === 'first' ? scheme : undefined
}
