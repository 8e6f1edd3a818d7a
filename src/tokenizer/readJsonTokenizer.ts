import type { Json } from '../formats/checkpoint.ts'
import { isJsonObject } from '../formats/parseJson.ts'
import { checkContract } from './checkContract.ts'
import { matchesEverywhere } from './compilePattern.ts'
import { compileSplit } from './compileSplit.ts'
import type { TokenizerContract } from './contract.ts'
import { endMarkers } from './endMarkers.ts'
import { type JsonFields, jsonFields } from './jsonFields.ts'
import { readJsonPipeline } from './readJsonPipeline.ts'
import { readJsonTemplate } from './readJsonTemplate.ts'
import { readJsonVocabulary } from './readJsonVocabulary.ts'
import { readMerges } from './readMerges.ts'
import { unicodeSets } from './unicodeSets.ts'

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
  const model = modelOf(fields)
  const pipeline = readJsonPipeline(fields)
  const byteFallback = !pipeline.byteLevel && model.byte_fallback === true
  const { pieces, idOf } = readJsonVocabulary(fields, pipeline.byteLevel, byteFallback)
  checkTotal(fields, pipeline.total)
  if (!Array.isArray(model.merges)) fields.refuse('model.merges is missing', 'a list of merges')

  const named = (value: Json | undefined): number => {
    const text = isJsonObject(value) ? value.content : value
    return typeof text === 'string' ? (idOf.get(text) ?? -1) : -1
  }
  const idsIn = (json: Json | undefined, key: string): number[] => {
    const value = isJsonObject(json) ? (json[key] ?? []) : []
    return [value].flat().filter((id): id is number => typeof id === 'number')
  }
  const settings = isJsonObject(files.tokenizerConfig) ? files.tokenizerConfig : {}
  const template = readJsonTemplate(fields, idOf)
  const configured = [...idsIn(files.generationConfig, 'eos_token_id'), ...idsIn(files.config, 'eos_token_id')]
  const bosByName = named(settings.bos_token)
  const eosByName = named(settings.eos_token)
  const bos = template?.bos ?? (bosByName >= 0 ? bosByName : (idsIn(files.config, 'bos_token_id')[0] ?? -1))
  const eos = template?.eos ?? (eosByName >= 0 ? eosByName : (configured[0] ?? -1))
  // A model's configuration may name ids of its padding, beyond the tokenizer.
  const known = (id: number) => id >= 0 && id < pieces.length
  const marked = [...idOf].filter(([text, id]) => endMarkers.has(text) && pieces[id]?.type !== 'normal')
  const ends = new Set([eos, ...configured, ...marked.map(([, id]) => id)].filter(known))
  return checkContract({
    path,
    kind: pipeline.byteLevel ? 'bpe' : 'spm',
    pieces,
    scores: null,
    merges: readMerges(path, model.merges as readonly Json[], idOf),
    splits: pipeline.splits,
    wholeWords: model.ignore_merges === true,
    prefix: pipeline.prefix,
    prefixUnlessSpace: pipeline.prefixUnlessSpace,
    stripPrefix: pipeline.stripPrefix,
    cutAtSpaces: pipeline.cutAtSpaces,
    byteFallback,
    fuseUnknown: model.fuse_unk === true,
    nfc: pipeline.nfc,
    bos: known(bos) ? bos : -1,
    eos: known(eos) ? eos : -1,
    eot: -1,
    unknown: named(model.unk_token),
    addBos: template ? template.bos !== undefined : settings.add_bos_token === true && known(bos),
    addEos: template ? template.eos !== undefined : settings.add_eos_token === true && known(eos),
    ends: [...ends].sort((a, b) => a - b),
  })
}

function modelOf(fields: JsonFields): { readonly [key: string]: Json } {
  const { model } = fields.json
  // Files from before `type` have BPE's merges without it.
  if (!isJsonObject(model) || (model.type !== 'BPE' && !(model.type === undefined && Array.isArray(model.merges)))) {
    const type = isJsonObject(model) ? fields.show(model.type ?? null) : 'missing'
    return fields.refuse(`the model's type is ${type}`, '"BPE" (WordPiece, Unigram and WordLevel come later)')
  }
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix', 'dropout'] as const) {
    if (model[key]) fields.refuse(`model.${key} is ${fields.show(model[key])}`, 'null')
  }
  return model
}

function checkTotal(fields: JsonFields, patterns: ReadonlySet<string>): void {
  const sets = unicodeSets()
  for (const pattern of patterns) {
    if (matchesEverywhere(compileSplit(fields.path, pattern, sets))) continue
    fields.refuse(`Split drops what ${fields.show(pattern)} does not match`, 'a pattern that matches every text')
  }
}
