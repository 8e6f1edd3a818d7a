import { join } from 'node:path'
import { makeFolder } from '../base/makeFolder.ts'
import { orRefuseWrite } from '../base/orRefuseWrite.ts'
import type { Json } from '../formats/checkpoint.ts'
import { writeBeside } from '../formats/writeBeside.ts'
import { writeSafetensors } from '../formats/writeSafetensors.ts'
import type { TransformersModel, WeightValues } from './transformersModel.ts'

/** What a transformers folder gets besides the model. */
export interface FolderExtras {
  /** Keys of config.json that stand above the model's: `eos_token_id` and the like. */
  readonly config?: { readonly [key: string]: Json }
  /** Other files by name: `tokenizer.json`, `chat_template.jinja`. */
  readonly files?: ReadonlyMap<string, Uint8Array>
}

/** Keys that transformers' classes want with a decimal point, which JSON does not write of a whole number. */
const floatKeys = /^( *"(?:rope_theta|\w+_(?:softcapping|eps|epsilon|multiplier|scaling|range))": -?\d+)(?=,?$)/gm

/** The text of config.json. */
export function configText(config: { readonly [key: string]: Json }): string {
  return `${JSON.stringify(config, null, 2).replace(floatKeys, '$1.0')}\n`
}

/** The weights of a transformers folder. */
export const weightsFile = 'model.safetensors'

/** What transformers asks for in it. */
export const weightsMetadata = { format: 'pt' } as const

/**
 * Writes a transformers folder with f32 weights, one tensor at a time; `metadata` of the safetensors file says "pt", which
 * transformers asks for. Files of these names are replaced, config.json last. Refuses `write_failed`.
 */
export function writeTransformers(
  dir: string,
  model: TransformersModel,
  valuesOf: WeightValues,
  extras: FolderExtras = {},
): void {
  orRefuseWrite(dir, () => makeFolder(dir))
  const data = model.tensors.map(({ name, shape, encode }) => ({
    name,
    shape,
    dtype: 'f32' as const,
    data: () => [new Uint8Array(encode(valuesOf).buffer)],
  }))
  writeSafetensors(join(dir, weightsFile), data, weightsMetadata)
  writeBesides(dir, model, extras)
}

/** Writes what such a folder has besides its weights, config.json last. Refuses `write_failed`. */
export function writeBesides(
  dir: string,
  { config, pooling }: Pick<TransformersModel, 'config' | 'pooling'>,
  { config: above = {}, files = new Map() }: FolderExtras = {},
): void {
  orRefuseWrite(dir, () => makeFolder(pooling ? join(dir, '1_Pooling') : dir))
  const write = (name: string, bytes: Uint8Array) => writeBeside(join(dir, name), (file) => file.append(bytes))
  for (const [name, bytes] of files) write(name, bytes)
  if (pooling) write('1_Pooling/config.json', Buffer.from(`${JSON.stringify(pooling, null, 2)}\n`))
  write('config.json', Buffer.from(configText({ ...config, ...above })))
}
