import { copyFileSync, existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fail } from '../../base/errors.ts'
import { makeFolder } from '../../base/makeFolder.ts'
import { orRefuseWrite } from '../../base/orRefuseWrite.ts'
import { openFile } from '../../formats/byteSource.ts'
import type { Checkpoint, Json, TensorRecord } from '../../formats/checkpoint.ts'
import { diskFolder } from '../../formats/folder.ts'
import { storedValue } from '../../formats/ggufValue.ts'
import { openGguf } from '../../formats/openGguf.ts'
import { openTransformers } from '../../formats/openTransformers.ts'
import { readJson } from '../../formats/parseJson.ts'
import type { TensorData } from '../../formats/tensorData.ts'
import { writeBeside } from '../../formats/writeBeside.ts'
import { writeGguf } from '../../formats/writeGguf.ts'
import { writeSafetensors } from '../../formats/writeSafetensors.ts'
import { trainedTensors } from './trainedCheckpoint.ts'

/** Names and shapes of all tensors of the model, in their order. */
const tableFile = 'model.json'
const ggufFile = 'model.gguf'

/** What a transformers folder may have beside its weights. */
const besides = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'vocab.txt',
  'chat_template.jinja',
  '1_Pooling/config.json',
]

interface Table {
  readonly name: string
  readonly tensors: readonly (readonly [name: string, shape: readonly number[]])[]
}

const pieceBytes = 2 ** 22
const mostTableBytes = 16 * 2 ** 20

/** Whether `saveModelFolder` wrote a folder. */
export function isModelFolder(folder: string): boolean {
  return existsSync(join(folder, tableFile))
}

/**
 * Writes what a training needs to know of the model that it began with, so that its folder stands alone: description,
 * tokenizer, the table of tensors, and the values of those that are not in training. `weights` are our names of what is. Refuses
 * `write_failed`.
 */
export function saveModelFolder(folder: string, base: Checkpoint, weights: ReadonlySet<string>): void {
  const trained = trainedTensors(base, weights)
  orRefuseWrite(folder, () => makeFolder(folder))
  const kept = [...base.tensors.values()].filter(({ name }) => !trained.has(name)).map((tensor) => dataOf(base, tensor))
  const { description } = base
  if (description.format === 'gguf') {
    const { metadata, types } = description
    const keys = [...metadata].filter(([key]) => !key.startsWith('split.'))
    const values = keys.map(([key, value]) => [key, storedValue(value, types.get(key)!)])
    writeGguf(join(folder, ggufFile), Object.fromEntries(values), kept)
  } else {
    for (const [name, bytes] of besidesOf(base)) {
      orRefuseWrite(folder, () => makeFolder(dirname(join(folder, name))))
      if (typeof bytes === 'string') orRefuseWrite(folder, () => copyFileSync(bytes, join(folder, name)))
      else writeBeside(join(folder, name), (file) => file.append(bytes))
    }
    writeSafetensors(join(folder, 'model.safetensors'), kept, { format: 'pt' })
  }
  const table: Table = { name: base.name, tensors: [...base.tensors.values()].map(({ name, shape }) => [name, shape]) }
  writeBeside(join(folder, tableFile), (file) => file.append(Buffer.from(`${JSON.stringify(table)}\n`)))
}

/**
 * Opens such a folder as a checkpoint that lacks the values of what was in training: its tensors are in the table, as f32, and
 * reading one is refused with `engine_failed`. Refuses `file_missing`, `file_malformed`.
 */
export function openModelFolder(folder: string): Checkpoint {
  const table = readTable(join(folder, tableFile))
  const parts = diskFolder(folder)
  const own = existsSync(join(folder, ggufFile)) ? openGguf(parts, ggufFile, folder) : openTransformers(parts, folder)
  const absent = ([name, shape]: Table['tensors'][number]): TensorRecord => {
    const elements = shape.reduce((product, dim) => product * dim, 1)
    return { name, shape, dtype: 'f32', file: folder, offset: 0, bytes: 4 * elements }
  }
  const tensors = table.tensors.map((row) => [row[0], own.tensors.get(row[0]) ?? absent(row)] as const)
  return { ...own, name: table.name, tensors: new Map(tensors) }
}

/** The files of a transformers folder by their names: where they lie on the disk, or their bytes. */
export function besidesOf(checkpoint: Checkpoint): ReadonlyMap<string, string | Uint8Array> {
  const folder = folderOf(checkpoint.path)
  const onDisk = besides.map((name) => [name, join(folder ?? '', name)] as const).filter(([, path]) => existsSync(path))
  if (folder !== undefined && onDisk.some(([name]) => name === 'config.json')) return new Map(onDisk)
  const { description } = checkpoint
  if (description.format !== 'transformers') return new Map()
  const { config, tokenizer, sentencePiece, tokenizerConfig, generationConfig, pooling, chatTemplate } = description
  const json = (value: Json | undefined) =>
    value === undefined ? undefined : Buffer.from(`${JSON.stringify(value, null, 2)}\n`)
  const files: readonly (readonly [string, Uint8Array | undefined])[] = [
    ['config.json', json(config)],
    ['generation_config.json', json(generationConfig)],
    ['tokenizer.json', json(tokenizer)],
    ['tokenizer.model', sentencePiece],
    ['tokenizer_config.json', json(tokenizerConfig)],
    ['chat_template.jinja', chatTemplate === undefined ? undefined : Buffer.from(chatTemplate)],
    ['1_Pooling/config.json', json(pooling)],
  ]
  return new Map(files.flatMap(([name, bytes]) => (bytes ? [[name, bytes] as const] : [])))
}

/** The folder of a checkpoint on the disk. */
function folderOf(path: string): string | undefined {
  if (!existsSync(path)) return undefined
  return statSync(path).isDirectory() ? path : dirname(path)
}

function dataOf(base: Checkpoint, tensor: TensorRecord): TensorData {
  const { name, dtype, shape, bytes } = tensor
  function* data() {
    for (let at = 0; at < bytes; at += pieceBytes) yield base.read(tensor, at, Math.min(pieceBytes, bytes - at))
  }
  return { name, dtype, shape, data }
}

function readTable(path: string): Table {
  const source = openFile(path)
  try {
    const table = readJson(source, mostTableBytes) as unknown as Partial<Table> | null
    const isSize = (size: unknown) => Number.isSafeInteger(size) && Number(size) > 0
    const isRow = (row: unknown) =>
      Array.isArray(row) && typeof row[0] === 'string' && Array.isArray(row[1]) && row[1].every(isSize)
    if (typeof table?.name === 'string' && Array.isArray(table.tensors) && table.tensors.every(isRow))
      return table as Table
    return fail('file_malformed', { path, what: 'has no table of tensors', accepted: 'what a training wrote' })
  } finally {
    source.close()
  }
}
