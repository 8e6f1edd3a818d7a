import type { Json } from '../formats/checkpoint.ts'
import { isJsonObject, type JsonObject } from '../formats/parseJson.ts'
import type { JsonFields } from './jsonFields.ts'

/** One normalizer, pre-tokenizer or decoder of a tokenizer.json. */
export type JsonStep = JsonObject

/** How deep steps may be nested. */
const mostLevels = 20

/** The steps of a value and of the Sequences in it; `list` is the key of a Sequence's steps. Raises tokenizer_invalid. */
export function stepsOf(
  fields: JsonFields,
  value: Json,
  where: string,
  list: string,
  level = 0,
): readonly { readonly step: JsonStep; readonly where: string }[] {
  if (value === null) return []
  if (level > mostLevels) return fields.refuse(`${where} lies ${level} levels deep`, `at most ${mostLevels}`)
  if (!isJsonObject(value)) return fields.refuse(`${where} is ${fields.show(value)}`, 'an object with a type')
  if (value.type !== 'Sequence') return [{ step: value, where }]
  const items = value[list]
  if (!Array.isArray(items))
    return fields.refuse(`${where}.${list} is ${fields.show(items ?? null)}`, 'a list of steps')
  return items.flatMap((item: Json, i) => stepsOf(fields, item, `${where}.${list}[${i}]`, list, level + 1))
}

/** The regular expression of a `pattern`: { Regex } as it is, { String } with its special characters escaped. */
export function patternOf({ pattern }: JsonStep): string | undefined {
  if (!isJsonObject(pattern)) return undefined
  if (typeof pattern.Regex === 'string') return pattern.Regex
  return typeof pattern.String === 'string' ? escaped(pattern.String) : undefined
}

/** A pattern that matches `text`. */
export const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
