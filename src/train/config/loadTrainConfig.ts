import { basename, dirname, extname, resolve } from 'node:path'
import { fail } from '../../base/errors.ts'
import { usualDataOptions } from '../data/prepareData.ts'
import { makeFreshModel } from '../freshModel.ts'
import type { ModelShape } from '../init/freshSizes.ts'
import { checkConfig } from './checkConfig.ts'
import { configDefaults } from './configDefaults.ts'
import type { WrittenConfig, WrittenData } from './configSchema.ts'
import { expandFiles } from './expandFiles.ts'
import { type ConfigFile, type ConfigPath, parseConfig, readConfigFile } from './readConfigFile.ts'
import { resolveEvaluation } from './resolveEvaluation.ts'
import { type RefuseAt, resolveStage } from './resolveStage.ts'
import type { DataConfig, ModelConfig, TokenizerConfig, TrainConfig } from './trainConfig.ts'

/**
 * Reads a config of YAML or JSON, checks it as a whole and gives every key its value. Paths in it are from its own folder.
 * Files must be there, but for a prepared folder or a checkpoint that an earlier stage may leave. Refuses, each in one
 * sentence with line and column, `config_malformed`, `config_key_unknown`, `config_invalid` and `config_contradicts`.
 */
export function loadTrainConfig(path: string): TrainConfig {
  return resolveConfig(readConfigFile(path))
}

/** The same of a text; `path` is where it would lie. */
export function parseTrainConfig(path: string, text: string): TrainConfig {
  return resolveConfig(parseConfig(path, text))
}

function resolveConfig(file: ConfigFile): TrainConfig {
  const written = checkConfig(file)
  const folder = dirname(resolve(file.path))
  const refuse: RefuseAt = (at, what, accepted) =>
    fail('config_contradicts', { path: file.at(at, 'key'), what, accepted })
  const filesOf = (paths: string | readonly string[], at: ConfigPath) =>
    expandFiles(folder, typeof paths === 'string' ? [paths] : paths, (missing) =>
      refuse(at, `'${missing}' names no file from ${folder}`, 'a file that is there'),
    )
  const inFolder = (path: string) => resolve(folder, path)
  const model = resolveModel(written.model, inFolder, refuse)
  const tokenizer = written.tokenizer && resolveTokenizer(written.tokenizer, inFolder, filesOf, refuse)
  const stages = resolveStages(written, model, tokenizer !== undefined, { inFolder, filesOf, refuse })
  checkModel(written, model, tokenizer, stages, refuse)
  const { gguf = [], transformers = false, average = true } = written.export ?? {}
  return {
    name: written.name ?? basename(file.path, extname(file.path)),
    model,
    ...(tokenizer ? { tokenizer } : {}),
    stages,
    ...(written.export ? { export: { gguf, transformers, average } } : {}),
  }
}

interface Places {
  readonly inFolder: (path: string) => string
  readonly filesOf: (paths: string | readonly string[], at: ConfigPath) => readonly string[]
  readonly refuse: RefuseAt
}

function resolveModel(written: WrittenConfig['model'], inFolder: Places['inFolder'], refuse: RefuseAt): ModelConfig {
  const { checkpoint, template, init, ...shape } = written
  if (checkpoint === undefined && template === undefined)
    refuse(['model'], 'the model is not said', "'template' or 'checkpoint'")
  if (checkpoint === undefined) {
    const { deviation, ...drawing } = { ...configDefaults.init, ...init }
    return {
      kind: 'fresh',
      template: template!,
      shape: defined(shape),
      init: { ...(drawing as { seed: number }), ...(deviation === undefined ? {} : { deviation }) },
    }
  }
  if (template !== undefined) refuse(['model', 'template'], "both 'template' and 'checkpoint' are given", 'one of them')
  const [size] = [...Object.keys(shape), ...(init ? ['init'] : [])]
  if (size !== undefined) {
    refuse(['model', size], `'${size}' contradicts 'checkpoint', which has its own`, "it with 'template' only")
  }
  return { kind: 'checkpoint', path: inFolder(checkpoint) }
}

function resolveTokenizer(
  written: NonNullable<WrittenConfig['tokenizer']>,
  inFolder: Places['inFolder'],
  filesOf: Places['filesOf'],
  refuse: RefuseAt,
): TokenizerConfig {
  const { path, train, vocab, ...rest } = written
  if (path !== undefined && train !== undefined)
    refuse(['tokenizer', 'train'], "both 'path' and 'train' are given", 'one of them')
  if (path !== undefined) {
    const [key] = Object.keys({ ...defined({ vocab }), ...rest })
    if (key !== undefined)
      refuse(['tokenizer', key], `'${key}' contradicts 'path', whose tokenizer is trained`, "it with 'train' only")
    return { kind: 'path', path: inFolder(path) }
  }
  if (train === undefined) refuse(['tokenizer'], 'the tokenizer is not said', "'path' or 'train'")
  if (vocab === undefined) refuse(['tokenizer'], "'vocab' is missing beside 'train'", 'a whole number of at least 257')
  const { split, special, bos, minFrequency } = { ...configDefaults.tokenizer, ...defined(rest) }
  if (bos !== undefined && !special.includes(bos))
    refuse(['tokenizer', 'bos'], `'bos' is ${JSON.stringify(bos)}`, `one of 'special': ${special.join(', ') || 'none'}`)
  return {
    kind: 'train',
    files: filesOf(train, ['tokenizer', 'train']),
    vocabulary: vocab,
    split,
    special,
    ...(bos === undefined ? {} : { bos }),
    minFrequency,
  }
}

function resolveStages(
  written: WrittenConfig,
  model: ModelConfig,
  hasTokenizer: boolean,
  places: Places,
): TrainConfig['stages'] {
  const { train = {}, stages, data } = written
  const { refuse } = places
  const dataOf = (own: WrittenData | undefined, index: number | undefined) => {
    const stage = index === undefined ? ['train'] : ['stages', index]
    const chosen = own ?? data ?? refuse(stage, 'there is nothing to learn', "'data', here or for all stages")
    const at = own ? [...stage, 'data'] : ['data']
    return resolveData(chosen, at, hasTokenizer || model.kind === 'checkpoint', places)
  }
  if (!stages) {
    return written.train
      ? [resolveStage(train, { name: 'train' }, undefined, dataOf(undefined, undefined), refuse)]
      : []
  }
  return stages.map(({ data, ...stage }, index) => {
    const same = stages.findIndex(({ name }) => name.toLowerCase() === stage.name.toLowerCase())
    if (same !== index)
      refuse(['stages', index, 'name'], `two stages are called '${stage.name}'`, 'a name of its own for each')
    if (stage.task !== 'evaluate') return resolveStage(train, stage, index, dataOf(data, index), refuse)
    // Nothing of what it is given for itself is to be learnt.
    const own = data?.files === undefined ? data : { validation: 0, ...data }
    return resolveEvaluation(train, stage, index, dataOf(own, index), refuse)
  })
}

const kinds = { text: /^(?!.*\.(jsonl|ndjson|bin)$)/i, jsonl: /\.(jsonl|ndjson)$/i, tokens: /\.bin$/i } as const

function resolveData(
  written: WrittenData,
  at: ConfigPath,
  hasTokenizer: boolean,
  { inFolder, filesOf, refuse }: Places,
): DataConfig {
  const { files, prepared, kind, template, seed, ...options } = written
  if (files !== undefined && prepared !== undefined)
    refuse([...at, 'prepared'], "both 'files' and 'prepared' are given", 'one of them')
  if (prepared !== undefined) {
    const [key] = Object.keys(defined({ kind, template, seed, ...options }))
    if (key !== undefined)
      refuse([...at, key], `'${key}' contradicts 'prepared', which has its own`, "it with 'files' only")
    return { kind: 'prepared', path: inFolder(prepared) }
  }
  if (files === undefined) return refuse(at, 'the data is not said', "'files' or 'prepared'")
  const found = filesOf(files, [...at, 'files'])
  const other = kind && found.find((file) => !kinds[kind].test(file))
  if (other !== undefined)
    refuse([...at, 'kind'], `'${basename(other)}' is no file of kind ${kind}`, 'files of that kind only')
  if (!hasTokenizer && found.some((file) => !kinds.tokens.test(file)))
    refuse([...at, 'files'], 'texts cannot become ids without a tokenizer', "'tokenizer', or files of ids (.bin)")
  const given = { ...defined(options), ...(seed === undefined ? {} : { seed: String(seed) }) }
  return {
    kind: 'files',
    files: found,
    ...(template === undefined ? {} : { template: inFolder(template) }),
    options: { ...usualDataOptions, ...given },
  }
}

/** Refuses sizes of a fresh model that do not fit each other, its tokenizer or the rows that it shall learn. */
function checkModel(
  { model: written }: WrittenConfig,
  model: ModelConfig,
  tokenizer: TokenizerConfig | undefined,
  stages: TrainConfig['stages'],
  refuse: RefuseAt,
): void {
  if (model.kind === 'checkpoint') return
  const most = tokenizer?.kind === 'train' ? tokenizer.vocabulary : undefined
  const { vocab = most } = model.shape
  if (vocab === undefined && !tokenizer) refuse(['model'], "'vocab' is missing", "'vocab', or a tokenizer that has one")
  if (most !== undefined && vocab !== undefined && vocab < most) {
    const what = `'vocab' is ${vocab} and the tokenizer may have ${most} tokens`
    refuse(['model', 'vocab'], what, `at least ${most}, or no 'vocab' here`)
  }
  // A size that only a tokenizer will tell fits every other one.
  const shape: ModelShape = { ...model.shape, vocab: vocab ?? 1 }
  const { sizes } = makeFreshModel(model.template, shape, {}, (key, found, accepted) =>
    refuse(key in written ? ['model', key] : ['model'], `'${key}' is ${found}`, accepted),
  )
  for (const { name, length } of stages) {
    if (length <= sizes.context) continue
    const what = `rows of stage '${name}' have ${length} tokens and the model is made for ${sizes.context}`
    refuse(['model', 'contextLen'], what, `a 'contextLen' of at least ${length}, or shorter rows`)
  }
}

/** A record without keys that are undefined. */
function defined<T extends object>(record: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as never
}
