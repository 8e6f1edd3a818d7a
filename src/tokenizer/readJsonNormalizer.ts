import type { Json } from '../formats/checkpoint.ts'
import { bertSteps } from './bertRules.ts'
import { charsmapStep } from './charsmapStep.ts'
import type { JsonFields } from './jsonFields.ts'
import { type JsonStep, patternOf, stepsOf } from './jsonSteps.ts'
import type { NormalStep } from './normalStep.ts'
import { spaceMark } from './spaceMark.ts'

/** What the normalizer of a tokenizer.json does. */
export interface JsonNormalizer {
  readonly steps: readonly NormalStep[]
  /** Spaces become U+2581, which the engine does by itself. */
  readonly escapes: boolean
}

const accepted =
  'NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, Replace, Precompiled, Nmt, BertNormalizer, or a Sequence'

/** Reads `normalizer`; refuses (`fields.refuse`) a step that has no place in a contract by its type. */
export function readJsonNormalizer(fields: JsonFields): JsonNormalizer {
  const steps: NormalStep[] = []
  let escapes = false
  for (const { step, where } of stepsOf(fields, fields.json.normalizer ?? null, 'normalizer', 'normalizers')) {
    if (step.type === 'Replace' && patternOf(step) === ' ' && step.content === spaceMark) {
      escapes = true
      continue
    }
    const found = stepsFor(fields, step)
    if (found === undefined) return fields.refuse(`${where} is ${fields.show(step)}`, accepted)
    if (escapes && step.type !== 'Prepend' && found.some((each) => each.step !== 'form')) {
      fields.refuse(`${where} is ${fields.show(step)} behind spaces that are U+2581`, 'such a step before that')
    }
    steps.push(...found)
  }
  return { steps, escapes }
}

function stepsFor(fields: JsonFields, step: JsonStep): readonly NormalStep[] | undefined {
  switch (step.type) {
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return [{ step: 'form', form: step.type }]
    case 'Lowercase':
      return [{ step: 'map', map: 'lowercase' }]
    case 'StripAccents':
      return [{ step: 'map', map: 'dropMarks' }]
    case 'Nmt':
      return [{ step: 'map', map: 'nmt' }]
    case 'Strip':
      return [{ step: 'strip', left: step.strip_left !== false, right: step.strip_right !== false }]
    case 'Prepend':
      return typeof step.prepend === 'string' ? [{ step: 'prepend', text: step.prepend }] : undefined
    case 'Replace': {
      const pattern = patternOf(step)
      if (!pattern || typeof step.content !== 'string') return undefined
      return [{ step: 'replace', pattern, content: step.content }]
    }
    case 'Precompiled': {
      const { precompiled_charsmap: encoded = null } = step
      if (encoded !== null && (typeof encoded !== 'string' || !/^[\w+/]*={0,2}$/.test(encoded))) return undefined
      return charsmapStep(Buffer.from(encoded ?? '', 'base64'), true, fields.path)
    }
    case 'BertNormalizer': {
      const lowercase = step.lowercase !== false
      const accents: Json | undefined = step.strip_accents
      return bertSteps({
        cleanText: step.clean_text !== false,
        spaceIdeographs: step.handle_chinese_chars !== false,
        stripAccents: typeof accents === 'boolean' ? accents : lowercase,
        lowercase,
      })
    }
    default:
      return undefined
  }
}
