import { fail } from '../base/errors.ts'
import type { Json } from '../formats/checkpoint.ts'
import { printable } from '../formats/names.ts'
import { isJsonObject } from '../formats/parseJson.ts'

/** tokenizer.json's top level, and how a reader of a part of it refuses. */
export interface JsonFields {
  readonly path: string
  readonly json: { readonly [key: string]: Json }
  /** Raises tokenizer_invalid. */
  refuse(what: string, accepted: string): never
  /** A value as a short text for messages. */
  show(value: Json): string
}

/** `json` must be the object that tokenizer.json holds. Raises tokenizer_invalid. */
export function jsonFields(json: Json, path: string): JsonFields {
  const refuse = (what: string, accepted: string): never => fail('tokenizer_invalid', { path, what, accepted })
  const show = (value: Json) => printable(JSON.stringify(value), 160)
  return isJsonObject(json) ? { path, json, refuse, show } : refuse(`tokenizer.json holds ${show(json)}`, 'an object')
}
