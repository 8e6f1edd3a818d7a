import { fail } from '../base/errors.ts'
import { parseShardName, shardNames } from '../base/shardNames.ts'
import type { HubName } from './hubName.ts'

/** The files that a name asks for, and which of them is the model; without one it is the repository's folder. */
export interface ChosenFiles {
  readonly files: readonly string[]
  readonly model?: string
}

const shownNames = 20

/** Chooses among the paths of a repository. Refuses `hub_choice` with what is there where nothing or too much fits. */
export function chooseFiles(name: HubName, paths: readonly string[]): ChosenFiles {
  const { file, quantisation, repo } = name
  const models = ggufSets(paths)
  if (file !== undefined) {
    if (!paths.includes(file) || !file.endsWith('.gguf')) {
      const what = paths.includes(file) ? `'${file}' is no GGUF file` : `${repo} has no file '${file}'`
      refuse(name, what, [...models.keys()])
    }
    const shard = parseShardName(file)
    return setOf(name, shard ? shardNames(shard)[0]! : file, paths)
  }
  if (quantisation !== undefined) {
    const fitting = [...models.keys()].filter((path) => isOf(path, quantisation))
    if (fitting.length === 1) return setOf(name, fitting[0]!, paths)
    const what = `${repo} has ${fitting.length === 0 ? 'no' : 'more than one'} GGUF model of '${quantisation}'`
    return refuse(name, what, fitting.length === 0 ? [...models.keys()] : fitting)
  }
  if (paths.includes('config.json') && paths.some(isWeights)) return { files: paths.filter(isOfTransformers) }
  if (models.size === 1) return setOf(name, [...models.keys()][0]!, paths)
  const what =
    models.size === 0
      ? `${repo} has neither a GGUF file nor config.json with model.safetensors`
      : `${repo} has several GGUF models, and the name says none of them`
  return refuse(name, what, models.size === 0 ? [...paths] : [...models.keys()])
}

/** GGUF models by their file, or their first shard; projectors of images belong to another model. */
function ggufSets(paths: readonly string[]): Map<string, true> {
  const models = new Map<string, true>()
  for (const path of paths) {
    if (!path.endsWith('.gguf') || /(^|\/)mmproj/i.test(path)) continue
    const shard = parseShardName(path)
    models.set(shard ? shardNames(shard)[0]! : path, true)
  }
  return models
}

function setOf(name: HubName, model: string, paths: readonly string[]): ChosenFiles {
  const shard = parseShardName(model)
  const files = shard ? shardNames(shard) : [model]
  const missing = files.find((path) => !paths.includes(path))
  if (missing !== undefined)
    refuse(
      name,
      `${name.repo} lacks the shard '${missing}'`,
      paths.filter((path) => path.endsWith('.gguf')),
    )
  return { files, model }
}

/** Whether a file's name, or that of its folder, says the quantisation: `model-Q4_K_M.gguf` is of Q4_K_M and not of Q4_K. */
function isOf(path: string, quantisation: string): boolean {
  const stem = parseShardName(path)?.stem ?? path.replace(/\.gguf$/, '')
  const escaped = quantisation.replace(/[.]/g, '\\.')
  return new RegExp(`(^|[-._/])${escaped}$`, 'i').test(stem)
}

function isWeights(path: string): boolean {
  return /^model(-\d{5}-of-\d{5})?\.safetensors$/.test(path)
}

/** What reading a transformers folder may need: weights, and the small texts of its root and of a pooling module. */
function isOfTransformers(path: string): boolean {
  return isWeights(path) || /^[^/]+\.(json|jinja|model|txt)$/.test(path) || /^\d+_Pooling\/config\.json$/.test(path)
}

function refuse(name: HubName, what: string, found: readonly string[]): never {
  const shown = found.toSorted().slice(0, shownNames)
  const more = found.length > shown.length ? ` and ${found.length - shown.length} more` : ''
  return fail('hub_choice', {
    name: name.text,
    what,
    found: shown.length > 0 ? `${shown.join(', ')}${more}` : 'another repository',
  })
}
