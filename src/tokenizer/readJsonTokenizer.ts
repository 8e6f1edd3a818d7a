import type { Json } from '../formats/checkpoint.ts'
import { isJsonObject } from '../formats/parseJson.ts'
import { bertSplits } from './bertRules.ts'
import { checkContract } from './checkContract.ts'
import { plainContract, type TokenizerContract, type TokenizerKind } from './contract.ts'
import { endMarkers } from './endMarkers.ts'
import { type JsonFields, jsonFields } from './jsonFields.ts'
import { type JsonModel, readJsonModel } from './readJsonModel.ts'
import { type JsonPipeline, readJsonPipeline } from './readJsonPipeline.ts'
import { readJsonTemplate } from './readJsonTemplate.ts'
import { readJsonVocabulary } from './readJsonVocabulary.ts'
import { readMerges } from './readMerges.ts'
import { unknownScoreOf } from './unigramScores.ts'

/** The files of a transformers folder that have a say in its tokenizer. */
export interface TokenizerFiles {
  readonly tokenizer: Json
  readonly tokenizerConfig?: Json | undefined
  readonly config?: Json | undefined
  readonly generationConfig?: Json | undefined
}

/** The tokenizer of a transformers folder, from tokenizer.json and the ids in its neighbours. Raises tokenizer_invalid. */
export function readJsonTokenizer(files: TokenizerFiles, path: string): TokenizerContract {
  const fields = jsonFields(files.tokenizer, path)
  const model = readJsonModel(fields)
  const pipeline = readJsonPipeline(fields)
  const kind = kindOf(fields, model, pipeline)
  const { pieces, idOf } = readJsonVocabulary(fields, model, pipeline.byteLevel)
  const { merges } = model.json
  if (model.type === 'BPE' && !Array.isArray(merges)) fields.refuse('model.merges is missing', 'a list of merges')

  const named = (value: Json | undefined): number => {
    const text = isJsonObject(value) ? value.content : value
    return typeof text === 'string' ? (idOf.get(text) ?? -1) : -1
  }
  const settings = isJsonObject(files.tokenizerConfig) ? files.tokenizerConfig : {}
  const template = readJsonTemplate(fields, idOf)
  const configured = [...configuredIds(files.generationConfig), ...configuredIds(files.config)]
  const bosByName = named(settings.bos_token)
  const eosByName = named(settings.eos_token)
  const bos = template?.bos ?? (bosByName >= 0 ? bosByName : (configuredIds(files.config, 'bos_token_id')[0] ?? -1))
  const eos = template?.eos ?? (eosByName >= 0 ? eosByName : (configured[0] ?? -1))
  // A model's configuration may name ids of its padding, beyond the tokenizer.
  const known = (id: number) => id >= 0 && id < pieces.length
  const marked = [...idOf].filter(([text, id]) => endMarkers.has(text) && pieces[id]?.type !== 'normal')
  const ends = new Set([eos, ...configured, ...marked.map(([, id]) => id)].filter(known))
  const { byteLevel: _, escapes: __, ...rules } = pipeline
  const { scores } = model
  return checkContract({
    ...plainContract,
    ...rules,
    path,
    kind,
    pieces,
    scores: kind === 'unigram' ? Float64Array.from(pieces, (_piece, id) => scores[id] ?? 0) : null,
    unknownScore: kind === 'unigram' ? unknownScoreOf(scores) : 0,
    merges: kind === 'bpe' || kind === 'spm' ? readMerges(path, merges as readonly Json[], idOf) : new Uint32Array(0),
    splits: kind === 'wordpiece' && rules.splits.length === 0 ? bertSplits : rules.splits,
    stripPrefix: kind === 'wordpiece' || rules.stripPrefix,
    wholeWords: model.json.ignore_merges === true,
    byteFallback: kind !== 'bpe' && model.byteFallback,
    fuseUnknown: kind === 'unigram' || model.json.fuse_unk === true,
    mostWordCharacters: kind === 'wordpiece' ? mostCharacters(fields, model) : 0,
    bos: known(bos) ? bos : -1,
    eos: known(eos) ? eos : -1,
    unknown: named(model.unknown),
    addBos: template ? template.bos !== undefined : settings.add_bos_token === true && known(bos),
    addEos: template ? template.eos !== undefined : settings.add_eos_token === true && known(eos),
    ends: [...ends].sort((a, b) => a - b),
  })
}

/** The ids that config.json or generation_config.json has under a key: one, or a list. */
export function configuredIds(json: Json | undefined, key = 'eos_token_id'): number[] {
  const value = isJsonObject(json) ? (json[key] ?? []) : []
  return [value].flat().filter((id): id is number => typeof id === 'number')
}

function kindOf(fields: JsonFields, { type }: JsonModel, { byteLevel, escapes }: JsonPipeline): TokenizerKind {
  if (type === 'WordPiece') {
    if (byteLevel || escapes) fields.refuse('WordPiece with other words than its own', 'BertPreTokenizer or Whitespace')
    return 'wordpiece'
  }
  if (type === 'Unigram' && byteLevel) fields.refuse('Unigram over bytes', 'Unigram with "\u2581" for spaces')
  if (byteLevel) return 'bpe'
  if (!escapes) fields.refuse('neither ByteLevel nor "\u2581" for spaces', 'byte-level or SentencePiece-style pieces')
  return type === 'Unigram' ? 'unigram' : 'spm'
}

function mostCharacters(fields: JsonFields, { json }: JsonModel): number {
  const most = json.max_input_chars_per_word ?? 100
  if (typeof most === 'number' && Number.isInteger(most) && most >= 0 && most < 2 ** 31) return most
  return fields.refuse(`model.max_input_chars_per_word is ${fields.show(most)}`, 'a whole number')
}
