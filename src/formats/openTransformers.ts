import { basename, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import { assembleCheckpoint, withFiles } from './assembleCheckpoint.ts'
import { type ByteSource, readWhole } from './byteSource.ts'
import type { Checkpoint, CheckpointDescription, Json, TensorRecord } from './checkpoint.ts'
import type { FingerprintPart } from './fingerprint.ts'
import type { Folder } from './folder.ts'
import { checkName } from './names.ts'
import { asJsonObject, describeJson, isJsonObject, type JsonObject, readJson, readText } from './parseJson.ts'
import { readSafetensors } from './safetensors.ts'

const maxConfigBytes = 16 * 2 ** 20
const maxTokenizerBytes = 64 * 2 ** 20
const wholeFile = 'model.safetensors'
const templateFile = 'chat_template.jinja'
const indexFile = 'model.safetensors.index.json'

/**
 * Opens a transformers folder: `config.json` with `model.safetensors` or the shards of its index, and the tokenizer
 * files that are there. `weights` names one safetensors file to take in their place, unless it is a shard of the index.
 * Refuses `file_missing`, `file_malformed`, `config_invalid` and as `readSafetensors`.
 */
export function openTransformers(folder: Folder, path: string, weights?: string): Checkpoint {
  return withFiles((files) => {
    const open = (name: string): ByteSource => {
      const source = folder.open(name)
      files.push({ source, headerBytes: 0 })
      return source
    }
    const readObject = (name: string): JsonObject => {
      const source = open(name)
      return asJsonObject(source.path, readJson(source, maxConfigBytes), 'the file')
    }
    const readOptional = (name: string) => (folder.has(name) ? readObject(name) : undefined)

    const config = readObject('config.json')
    const tokenizerConfig = readOptional('tokenizer_config.json')
    const generationConfig = readOptional('generation_config.json')
    const tokenizerFile = ['tokenizer.json', 'tokenizer.model'].find((name) => folder.has(name))
    const tokenizer = tokenizerFile === undefined ? undefined : open(tokenizerFile)
    const pooling = readOptional('1_Pooling/config.json')
    const chatTemplate = folder.has(templateFile) ? readText(open(templateFile), maxConfigBytes) : undefined
    const tensors = readWeights(folder, weights, open, files)
    return assembleCheckpoint({
      path,
      description: describe(config, { tokenizer, tokenizerConfig, generationConfig, pooling, chatTemplate }),
      architecture: architectureOf(`${folder.path}/config.json`, config),
      name: basename(resolve(folder.path)),
      tensors,
      files,
    })
  })
}

/** What a folder may have beside config.json. */
interface Besides {
  readonly tokenizer: ByteSource | undefined
  readonly tokenizerConfig: Json | undefined
  readonly generationConfig: Json | undefined
  readonly pooling: JsonObject | undefined
  readonly chatTemplate: string | undefined
}

function describe(config: JsonObject, { tokenizer, ...besides }: Besides): CheckpointDescription {
  const given = Object.fromEntries(Object.entries(besides).filter(([, value]) => value !== undefined))
  const rest = { format: 'transformers' as const, config, ...given }
  if (!tokenizer) return rest
  if (tokenizer.path.endsWith('.model')) {
    let bytes: Uint8Array | undefined
    return {
      ...rest,
      get sentencePiece() {
        bytes ??= readWhole(tokenizer, maxTokenizerBytes)
        return bytes
      },
    }
  }
  let parsed: Json | undefined
  return {
    ...rest,
    // A tokenizer.json may have tens of megabytes, and looking at a model's tensors needs none of it.
    get tokenizer() {
      parsed ??= readJson(tokenizer, maxTokenizerBytes)
      return parsed
    },
  }
}

function architectureOf(path: string, config: JsonObject): string {
  const names = config.architectures
  const first = Array.isArray(names) ? names[0] : undefined
  if (typeof first === 'string' && first !== '') return first
  const accepted = 'an array that begins with a class name, such as ["LlamaForCausalLM"]'
  fail('config_invalid', { path, key: 'architectures', found: describeJson(names), accepted })
}

function readWeights(
  folder: Folder,
  weights: string | undefined,
  open: (name: string) => ByteSource,
  files: FingerprintPart[],
): ReadonlyMap<string, TensorRecord> {
  const readFile = (name: string) => {
    const source = open(name)
    const { tensors, headerBytes } = readSafetensors(source)
    files[files.length - 1] = { source, headerBytes }
    return tensors
  }
  const isWhole = weights === undefined ? folder.has(wholeFile) : weights === wholeFile
  if (isWhole) return readFile(wholeFile)
  if (folder.has(indexFile)) {
    const source = open(indexFile)
    const index = readIndex(source, readJson(source, maxConfigBytes))
    const shards = [...new Set(index.values())].sort()
    if (weights === undefined || shards.includes(weights)) return readShards(source.path, index, shards, readFile)
  }
  return readFile(weights ?? wholeFile)
}

/** Tensor name → file name, from an index. */
function readIndex(source: ByteSource, json: Json): ReadonlyMap<string, string> {
  const { path } = source
  const index = asJsonObject(path, json, 'the file')
  if (!isJsonObject(index.weight_map)) {
    fail('config_invalid', { path, key: 'weight_map', found: describeJson(index.weight_map), accepted: 'an object' })
  }
  const names = new Map<string, string>()
  for (const [tensor, file] of Object.entries(index.weight_map)) {
    checkName(path, 'a tensor of weight_map', tensor)
    // A name with a path in it could lead out of the folder.
    if (typeof file !== 'string' || !/^[^/\\\0]+\.safetensors$/.test(file)) {
      const found = describeJson(file)
      fail('config_invalid', { path, key: `weight_map.${tensor}`, found, accepted: 'the name of a .safetensors file' })
    }
    checkName(path, `the file of tensor '${tensor}'`, file)
    names.set(tensor, file)
  }
  return names
}

function readShards(
  path: string,
  index: ReadonlyMap<string, string>,
  shards: readonly string[],
  readFile: (name: string) => ReadonlyMap<string, TensorRecord>,
): ReadonlyMap<string, TensorRecord> {
  const tensors = new Map<string, TensorRecord>()
  for (const shard of shards) {
    for (const [name, record] of readFile(shard)) {
      if (index.get(name) !== shard) {
        const found = describeJson(index.get(name))
        fail('config_invalid', {
          path,
          key: `weight_map.${name}`,
          found,
          accepted: `"${shard}", which has this tensor`,
        })
      }
      tensors.set(name, record)
    }
  }
  for (const [name, shard] of index) {
    if (tensors.has(name)) continue
    const found = `"${shard}"`
    fail('config_invalid', { path, key: `weight_map.${name}`, found, accepted: 'a file that has this tensor' })
  }
  return tensors
}
