import { fail } from '../base/errors.ts'
import type { Checkpoint, Json, MetadataValue } from '../formats/checkpoint.ts'

type Found = Json | MetadataValue | undefined

type Items = readonly unknown[]

/** Values by key. */
export type Defaults = Readonly<Record<string, number | boolean | string>>

/** Reads config values with their checks; a refusal names the file, the key and what is accepted. */
export class ConfigReader {
  readonly path: string
  /** Tokens that the model shall hold; undefined: as many as it was made for. */
  readonly context: number | undefined
  readonly #checkpoint: Checkpoint
  readonly #prefix: string
  readonly #defaults: Defaults

  /** `defaults`: the values of keys that config.json does not have; a key that is null there has none. */
  constructor(
    checkpoint: Checkpoint,
    context?: number,
    defaults: Defaults = {},
    prefix = checkpoint.description.format === 'gguf' ? `${checkpoint.architecture}.` : '',
  ) {
    this.path = checkpoint.path
    this.context = context
    this.#checkpoint = checkpoint
    this.#defaults = defaults
    this.#prefix = prefix
  }

  /** The same with what a family's configuration class says where config.json says nothing. */
  withDefaults(defaults: Defaults): ConfigReader {
    return new ConfigReader(this.#checkpoint, this.context, defaults, this.#prefix)
  }

  /** Reads the keys of an object in config.json. */
  within(key: string): ConfigReader {
    return new ConfigReader(this.#checkpoint, this.context, this.#defaults, `${this.#prefix}${key}.`)
  }

  isList(key: string): boolean {
    const value = this.#find(key)
    return typeof value === 'object' && value !== null && 'length' in value
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

  /** Any finite number. */
  number(key: string, fallback?: number): number {
    const value = this.#find(key) ?? fallback
    return typeof value === 'number' && Number.isFinite(value) ? value : this.refuse(key, value, 'a number')
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

  /** `length` numbers above 0. */
  positives(key: string, length: number): readonly number[] {
    const accepted = `a list of ${length} numbers above 0`
    const isAccepted = (item: unknown) => typeof item === 'number' && Number.isFinite(item) && item > 0
    return this.#list(key, length, isAccepted, accepted)?.map(Number) ?? this.refuse(key, undefined, accepted)
  }

  /** Booleans, or 0 and 1, at least `length` of which the first are given; undefined where the key is absent. */
  flags(key: string, length: number): readonly boolean[] | undefined {
    const isAccepted = (item: unknown) => typeof item === 'boolean' || item === 0 || item === 1
    return this.#list(key, length, isAccepted, `a list of ${length} times true or false`)?.map(Boolean)
  }

  /** `length` of the accepted texts; undefined where the key is absent. */
  choices<const T extends string>(key: string, length: number, accepted: readonly T[]): readonly T[] | undefined {
    const isAccepted = (item: unknown) => accepted.some((text) => text === item)
    const says = `a list of ${length} of ${accepted.join(', ')}`
    return this.#list(key, length, isAccepted, says) as readonly T[] | undefined
  }

  /** Whether a key is set to an object with something in it. Refuses what is set to anything but an object. */
  object(key: string): boolean {
    const value = this.#find(key)
    if (value === undefined) return false
    if (value === null || typeof value !== 'object' || Array.isArray(value) || 'length' in value)
      return this.refuse(key, value, 'an object')
    return Object.keys(value).length > 0
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

  #list(key: string, length: number, isAccepted: (item: unknown) => boolean, accepted: string): Items | undefined {
    const value = this.#find(key)
    if (value === undefined) return undefined
    const items: unknown[] =
      typeof value === 'object' && value !== null && 'length' in value ? [...(value as Items)] : []
    if (items.length < length || !items.every(isAccepted)) this.refuse(key, value, accepted)
    return items.slice(0, length)
  }

  /** A JSON key may be a path (`rope_parameters.factor`); null counts as set to nothing. */
  #find(key: string): Found {
    const { description } = this.#checkpoint
    if (description.format === 'gguf') return description.metadata.get(this.#prefix + key)
    let value: Json | undefined = description.config
    for (const part of (this.#prefix + key).split('.')) {
      value = isObject(value) ? value[part] : undefined
    }
    return value === undefined ? this.#defaults[key] : (value ?? undefined)
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
