import { fail } from '../base/errors.ts'
import type { MetadataValue } from '../formats/checkpoint.ts'
import { printable } from '../formats/names.ts'
import { type PieceType, pieceTypes } from './contract.ts'
import { endMarkers } from './endMarkers.ts'

/** Reads `tokenizer.ggml.<key>` with the check that its type needs. Everything raises tokenizer_invalid. */
export type GgufKeys = ReturnType<typeof ggufKeys>

const typeNames = new Map<number, PieceType>(
  Object.entries(pieceTypes).map(([name, number]) => [number, name as PieceType]),
)

/** The keys of a GGUF file's tokenizer. `path` names the file in messages. */
export function ggufKeys(metadata: ReadonlyMap<string, MetadataValue>, path: string) {
  const raw = (key: string) => metadata.get(`tokenizer.ggml.${key}`)
  const refuse = (what: string, accepted: string): never => fail('tokenizer_invalid', { path, what, accepted })
  const found = (value: MetadataValue) =>
    typeof value === 'object' ? 'an array' : printable(JSON.stringify(String(value)))

  const id = (key: string): number | undefined => {
    const value = raw(key)
    // Writers put -1 as an unsigned number where a token does not exist.
    if (value === undefined || value === 0xffffffff || value === -1) return undefined
    if (typeof value === 'number') return value
    return refuse(`tokenizer.ggml.${key} is ${found(value)}`, 'a token id')
  }
  const flag = (key: string): boolean | undefined => {
    const value = raw(key)
    if (value === undefined || typeof value === 'boolean') return value
    return refuse(`tokenizer.ggml.${key} is ${found(value)}`, 'true or false')
  }
  const texts = (key: string): readonly string[] => {
    const value = raw(key)
    if (!Array.isArray(value)) return refuse(`tokenizer.ggml.${key} is no list`, 'an array of strings')
    const at = value.findIndex((item) => typeof item !== 'string')
    if (at >= 0) refuse(`tokenizer.ggml.${key}[${at}] is no text`, 'an array of strings')
    return value as readonly string[]
  }
  const numbers = (key: string, count: number): readonly number[] | undefined => {
    const value = raw(key)
    if (value === undefined) return undefined
    const list: unknown[] = Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as Int32Array) : []
    if (list.length !== count) refuse(`tokenizer.ggml.${key} has ${list.length} numbers`, `${count}, one per token`)
    const at = list.findIndex((item) => typeof item !== 'number')
    if (at >= 0) refuse(`tokenizer.ggml.${key}[${at}] is no number`, 'an array of numbers')
    return list as number[]
  }
  /** Bytes as an array of u8 or i8, or as numbers of any type; empty where the key is missing. */
  const bytes = (key: string): Uint8Array => {
    const value = raw(key)
    if (value === undefined) return new Uint8Array(0)
    const list: unknown[] =
      Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as Uint8Array) : [value]
    const isByte = (item: unknown): item is number =>
      typeof item === 'number' && Number.isInteger(item) && item >= -128 && item <= 255
    if (!list.every(isByte)) return refuse(`tokenizer.ggml.${key} is no list of bytes`, 'an array of uint8')
    return Uint8Array.from(list)
  }
  const types = (count: number): PieceType[] => {
    const list =
      numbers('token_type', count)?.map(
        (number, at) =>
          typeNames.get(number) ??
          refuse(`token ${at} has type ${number}`, [...typeNames].map((row) => row.join(' ')).join(', ')),
      ) ?? new Array<PieceType>(count).fill('normal')
    for (const key of ['bos_token_id', 'eos_token_id', 'eot_token_id', 'eom_token_id']) {
      const special = id(key)
      // An end that were ordinary text could be written by a user's text.
      if (special !== undefined && list[special] === 'normal') list[special] = 'control'
    }
    return list
  }
  const common = (texts: readonly string[], types: readonly PieceType[], eosByName = -1) => {
    const eos = id('eos_token_id') ?? eosByName
    const eot = id('eot_token_id') ?? -1
    const ends = new Set([eos, eot, id('eom_token_id') ?? -1].filter((end) => end >= 0))
    texts.forEach((text, at) => {
      if (endMarkers.has(text) && (types[at] === 'control' || types[at] === 'user')) ends.add(at)
    })
    return {
      path,
      eos,
      eot,
      unknown: id('unknown_token_id') ?? -1,
      ends: [...ends].sort((a, b) => a - b),
      addEos: flag('add_eos_token') ?? false,
    }
  }
  return { path, raw, refuse, id, flag, texts, numbers, bytes, types, common }
}
