import type { Json } from '../formats/checkpoint.ts'
import { isJsonObject } from '../formats/parseJson.ts'
import type { Prefix } from './contract.ts'
import type { JsonFields } from './jsonFields.ts'
import { gpt2Pattern } from './splitPatterns.ts'

/** What the normalizer, pre_tokenizer and decoder of a tokenizer.json do to text before pieces are merged. */
export interface JsonPipeline {
  readonly byteLevel: boolean
  readonly splits: readonly string[]
  /** Patterns among `splits` outside whose matches text would be dropped: they must match everywhere. */
  readonly total: ReadonlySet<string>
  readonly nfc: boolean
  readonly prefix: Prefix
  readonly prefixUnlessSpace: boolean
  readonly stripPrefix: boolean
  readonly cutAtSpaces: boolean
}

const space = '\u2581'

/** Reads the steps; a step that has no place in a contract is refused by its type (`fields.refuse`). */
export function readJsonPipeline(fields: JsonFields): JsonPipeline {
  const normalizers = stepsOf(fields, fields.json.normalizer ?? null, 'normalizer', 'normalizers')
  const preTokenizers = stepsOf(fields, fields.json.pre_tokenizer ?? null, 'pre_tokenizer', 'pretokenizers')
  const decoders = stepsOf(fields, fields.json.decoder ?? null, 'decoder', 'decoders')
  const state = {
    byteLevel: false,
    splits: [] as string[],
    total: new Set<string>(),
    nfc: false,
    escaped: false,
    prefix: 'none' as Prefix,
    prefixUnlessSpace: false,
    stripPrefix: decoders.some(({ step }) => step.type === 'Strip' && step.content === ' ' && step.start === 1),
    cutAtSpaces: false,
  }
  for (const { step, where } of normalizers) {
    if (step.type === 'NFC') state.nfc = true
    else if (step.type === 'Prepend' && step.prepend === space) state.prefix = 'always'
    else if (step.type === 'Replace' && patternOf(step) === ' ' && step.content === space) state.escaped = true
    else fields.refuse(`${where} is ${fields.show(step)}`, 'NFC, Prepend "\u2581", Replace " " by "\u2581"')
  }
  for (const { step, where } of preTokenizers) {
    const refuse = (accepted: string) => fields.refuse(`${where} is ${fields.show(step)}`, accepted)
    switch (step.type) {
      case 'ByteLevel':
        if (step.add_prefix_space === true) refuse('ByteLevel with add_prefix_space false')
        if (step.use_regex !== false) state.splits.push(gpt2Pattern)
        state.byteLevel = true
        break
      case 'Digits':
        state.splits.push(step.individual_digits === true ? '\\p{N}' : '\\p{N}+')
        break
      case 'Split': {
        const pattern = patternOf(step)
        // Spaces are gone where the normaliser replaces them: this cuts nothing.
        if (pattern === ' ' && state.escaped) break
        if (pattern === undefined) return refuse('a Split with a pattern')
        const removed = step.behavior === 'Removed' && step.invert === true
        if (!removed && (step.behavior !== 'Isolated' || step.invert === true)) {
          refuse('Split with behavior Isolated, or Removed with invert')
        }
        if (removed) state.total.add(pattern)
        state.splits.push(pattern)
        break
      }
      case 'Metaspace':
        if (step.replacement !== space) refuse('Metaspace with replacement "\u2581"')
        state.escaped = true
        state.prefix = metaspacePrefix(step) ?? refuse('Metaspace with prepend_scheme always, first or never')
        state.prefixUnlessSpace = state.prefix !== 'none'
        state.stripPrefix ||= state.prefix !== 'none'
        state.cutAtSpaces = step.split !== false
        break
      default:
        refuse('ByteLevel, Split, Digits, Metaspace, or a Sequence of these')
    }
  }
  state.byteLevel ||= decoders.some(({ step }) => step.type === 'ByteLevel')
  if (state.byteLevel && (state.escaped || state.prefix !== 'none')) {
    fields.refuse('spaces are replaced in a byte-level tokenizer', 'either ByteLevel or "\u2581" for spaces')
  }
  if (!state.byteLevel && state.splits.length > 0) {
    fields.refuse('Split in a tokenizer of characters', 'Split only together with ByteLevel')
  }
  if (!state.byteLevel && !state.escaped) {
    fields.refuse('neither ByteLevel nor "\u2581" for spaces', 'byte-level or SentencePiece-style BPE')
  }
  return state
}

interface Step {
  readonly step: { readonly [key: string]: Json }
  readonly where: string
}

function stepsOf(fields: JsonFields, value: Json, where: string, list: string): Step[] {
  if (value === null) return []
  if (!isJsonObject(value)) return fields.refuse(`${where} is ${fields.show(value)}`, 'an object with a type')
  if (value.type !== 'Sequence') return [{ step: value, where }]
  const items = value[list]
  if (!Array.isArray(items))
    return fields.refuse(`${where}.${list} is ${fields.show(items ?? null)}`, 'a list of steps')
  return items.flatMap((item: Json, i) => stepsOf(fields, item, `${where}.${list}[${i}]`, list))
}

/** The regular expression of a `pattern`: { Regex } as it is, { String } with its special characters escaped. */
function patternOf({ pattern }: Step['step']): string | undefined {
  if (!isJsonObject(pattern)) return undefined
  if (typeof pattern.Regex === 'string') return pattern.Regex
  return typeof pattern.String === 'string' ? pattern.String.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&') : undefined
}

function metaspacePrefix(step: Step['step']): Prefix | undefined {
  // Files from before prepend_scheme have add_prefix_space.
  const scheme = step.prepend_scheme ?? (step.add_prefix_space === false ? 'never' : 'always')
  if (scheme === 'never') return 'none'
  return scheme === 'always' || scheme === 'first' ? scheme : undefined
}
