import type { Json } from '../formats/checkpoint.ts'
import { isJsonObject, type JsonObject } from '../formats/parseJson.ts'
import { continuation } from './contract.ts'
import type { JsonFields } from './jsonFields.ts'

/** `model` of a tokenizer.json, of a type that a contract can hold, its vocabulary as texts with ids. */
export interface JsonModel {
  readonly type: 'BPE' | 'Unigram' | 'WordPiece'
  readonly json: JsonObject
  /** Text and id as they stand in the file; ids are unchecked. */
  readonly vocabulary: readonly (readonly [string, Json])[]
  /** Unigram: by id. */
  readonly scores: readonly number[]
  /** The text of the unknown token. */
  readonly unknown: string | undefined
  readonly byteFallback: boolean
}

/** Reads `model`. Raises tokenizer_invalid. */
export function readJsonModel(fields: JsonFields): JsonModel {
  const { model } = fields.json
  const type = typeOf(model)
  if (!isJsonObject(model) || type === undefined) {
    const found = isJsonObject(model) ? fields.show(model.type ?? null) : 'missing'
    return fields.refuse(`the model's type is ${found}`, '"BPE", "Unigram" or "WordPiece"')
  }
  const unset = type === 'BPE' ? ['continuing_subword_prefix', 'end_of_word_suffix', 'dropout'] : []
  for (const key of unset) {
    if (model[key]) fields.refuse(`model.${key} is ${fields.show(model[key])}`, 'null')
  }
  if (type === 'Unigram') return unigram(fields, model)
  if (!isJsonObject(model.vocab)) return fields.refuse('model.vocab is missing', 'an object from token to id')
  const prefix = model.continuing_subword_prefix ?? continuation
  if (type === 'WordPiece' && prefix !== continuation) {
    fields.refuse(`model.continuing_subword_prefix is ${fields.show(prefix)}`, `"${continuation}"`)
  }
  const unknown = model.unk_token ?? (type === 'WordPiece' ? '[UNK]' : null)
  return {
    type,
    json: model,
    vocabulary: Object.entries(model.vocab),
    scores: [],
    unknown: typeof unknown === 'string' ? unknown : undefined,
    byteFallback: type === 'BPE' && model.byte_fallback === true,
  }
}

/** Files from before `type` are told by what they have. */
function typeOf(model: Json | undefined): JsonModel['type'] | undefined {
  if (!isJsonObject(model)) return undefined
  if (model.type === 'BPE' || model.type === 'Unigram' || model.type === 'WordPiece') return model.type
  if (model.type !== undefined) return undefined
  if (Array.isArray(model.merges)) return 'BPE'
  if (Array.isArray(model.vocab)) return 'Unigram'
  return model.max_input_chars_per_word === undefined ? undefined : 'WordPiece'
}

function unigram(fields: JsonFields, model: JsonObject): JsonModel {
  if (!Array.isArray(model.vocab)) return fields.refuse('model.vocab is missing', 'a list of tokens with scores')
  const rows = (model.vocab as readonly Json[]).map((row, id) => {
    const [text, score]: readonly Json[] = Array.isArray(row) ? row : []
    if (typeof text === 'string' && typeof score === 'number') return { text, score }
    return fields.refuse(`token ${id} is ${fields.show(row)}`, 'a text and its score')
  })
  const unknown = typeof model.unk_id === 'number' ? rows[model.unk_id] : undefined
  if (!unknown) fields.refuse(`model.unk_id is ${fields.show(model.unk_id ?? null)}`, 'the id of the unknown token')
  return {
    type: 'Unigram',
    json: model,
    vocabulary: rows.map(({ text }, id) => [text, id]),
    scores: rows.map(({ score }) => score),
    unknown: unknown?.text,
    byteFallback: model.byte_fallback === true,
  }
}
