import { fail } from '../base/errors.ts'
import type { Checkpoint, Json, MetadataValue } from '../formats/checkpoint.ts'

type Found = Json | MetadataValue | undefined

/** Reads config values with their checks; a refusal names the file, the key and what is accepted. */
export class ConfigReader {
  readonly path: string
  readonly #checkpoint: Checkpoint
  readonly #prefix: string

  constructor(checkpoint: Checkpoint) {
    this.path = checkpoint.path
    this.#checkpoint = checkpoint
    this.#prefix = checkpoint.description.format === 'gguf' ? `${checkpoint.architecture}.` : ''
  }

  has(key: string): boolean {
    return this.#find(key) !== undefined
  }

  /** A whole number from 1 to `most`: what a list is made of later needs a bound, for the number is the file's word only. */
  count(key: string, fallback?: number, most = Number.MAX_SAFE_INTEGER): number {
    const value = this.#find(key) ?? fallback
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= most) return value
    const accepted =
      most < Number.MAX_SAFE_INTEGER ? `a whole number from 1 to ${most}` : 'a whole number of at least 1'
    return this.refuse(key, value, accepted)
  }

  /** The number of layers: at most that of tensors, for every layer has some. */
  layers(key: string): number {
    return this.count(key, undefined, Math.max(1, this.#checkpoint.tensors.size))
  }

  /** A number above 0. */
  positive(key: string, fallback?: number): number {
    const value = this.#find(key) ?? fallback
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
    return this.refuse(key, value, 'a number above 0')
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.#find(key) ?? fallback
    return typeof value === 'boolean' ? value : this.refuse(key, value, 'true or false')
  }

  /** One of the accepted texts. */
  choice<const T extends string>(key: string, accepted: readonly T[], fallback?: T): T {
    const value = this.#find(key) ?? fallback
    const choice = accepted.find((text) => text === value)
    return choice ?? this.refuse(key, value, accepted.join(', '))
  }

  /** Refuses a key that is set to anything but an object. */
  object(key: string): void {
    const value = this.#find(key)
    if (
      value !== undefined &&
      (value === null || typeof value !== 'object' || Array.isArray(value) || 'length' in value)
    )
      this.refuse(key, value, 'an object')
  }

  /** Refuses a key that is set to anything but `accepted` (or absent). */
  only(key: string, accepted: string | number | boolean): void {
    const value = this.#find(key)
    if (value !== undefined && value !== accepted)
      this.refuse(key, value, `${String(accepted)} (others are not supported)`)
  }

  /** The keys of sentence-transformers' 1_Pooling/config.json; none where there is no such file. */
  poolingKeys(): readonly string[] {
    return Object.keys(this.#pooling)
  }

  /** What 1_Pooling/config.json says of a key, or undefined. */
  pooling(key: string): Json | undefined {
    return this.#pooling[key]
  }

  get #pooling(): { readonly [key: string]: Json } {
    const { description } = this.#checkpoint
    return (description.format === 'transformers' && description.pooling) || {}
  }

  /** The shape of a tensor of the checkpoint, or undefined. */
  shapeOf(tensor: string): readonly number[] | undefined {
    return this.#checkpoint.tensors.get(tensor)?.shape
  }

  /** Refuses the value of a key, which is called as the source calls it. */
  refuse(key: string, found: Found, accepted: string): never {
    const text = found === undefined ? 'missing' : describe(found)
    return fail('config_invalid', { path: this.path, key: this.#prefix + key, found: text, accepted })
  }

  /** A JSON key may be a path (`rope_parameters.factor`); null counts as absent. */
  #find(key: string): Found {
    const { description } = this.#checkpoint
    if (description.format === 'gguf') return description.metadata.get(this.#prefix + key)
    let value: Json | undefined = description.config
    for (const part of key.split('.')) {
      value = isObject(value) ? value[part] : undefined
    }
    return value ?? undefined
  }
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function describe(value: Found): string {
  // JSON writes a NaN and an infinity as null.
  if (typeof value === 'bigint' || typeof value === 'number') return String(value)
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) || 'length' in value ? 'an array' : 'an object'
  return JSON.stringify(value) ?? 'missing'
}
