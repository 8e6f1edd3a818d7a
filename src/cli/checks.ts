import { bytesIn } from '../base/byteText.ts'
import { type WeightDtype, weightDtypes } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { TensorRule } from '../quantize/planTensors.ts'

/** Makes the value of an option's text, or refuses it with `option_invalid`; `option` is its name for the message. */
export type Check<T> = (text: string, option: string) => T

/** Any text. */
export const anyText: Check<string> = (text) => text

/** Text that has at least one character. */
export const someText: Check<string> = (text, option) => text || refuse(option, text, 'text that is not empty')

/** Text of at least one character in which \n, \t, \r, \0 and \\ stand for what they do in most languages. */
export const escapedText: Check<string> = (text, option) => {
  const meant: { readonly [letter: string]: string } = { n: '\n', t: '\t', r: '\r', '0': '\0', '\\': '\\' }
  const accepted = 'text that is not empty, with \\n, \\t, \\r, \\0 and \\\\'
  if (text === '') refuse(option, text, accepted)
  return text.replace(/\\(.?)/g, (_, letter: string) => meant[letter] ?? refuse(option, text, accepted))
}

/** A whole number in digits. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): Check<number> {
  const accepted =
    most === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${least}` : `a whole number from ${least} to ${most}`
  return (text, option) => {
    const value = Number(text)
    return /^\d+$/.test(text) && value >= least && value <= most ? value : refuse(option, text, accepted)
  }
}

/** A decimal number. */
export function decimal(least: number, most?: number): Check<number> {
  const accepted = most === undefined ? `a number of at least ${least}` : `a number from ${least} to ${most}`
  return (text, option) => {
    const value = Number(text)
    const isNumber = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && Number.isFinite(value)
    return isNumber && value >= least && value <= (most ?? value) ? value : refuse(option, text, accepted)
  }
}

/** Bytes, as digits or with a unit. */
export const byteCount: Check<number> = (text, option) =>
  bytesIn(text) || refuse(option, text, 'a number of bytes, such as 512MiB or 2GiB')

/** What C's uint64_t holds. */
export const seed: Check<bigint> = (text, option) => {
  const isSeed = /^\d{1,20}$/.test(text) && BigInt(text) < 1n << 64n
  return isSeed ? BigInt(text) : refuse(option, text, 'a whole number from 0 to 2^64 - 1')
}

/** One of a few words. */
export function choice<const T extends string>(...accepted: readonly T[]): Check<T> {
  return (text, option) => accepted.find((word) => word === text) ?? refuse(option, text, accepted.join(', '))
}

/** Token ids with commas between them. */
export const idList: Check<readonly number[]> = (text, option) => {
  const words = text.split(',').map((word) => word.trim())
  const isList = words.every((word) => /^\d{1,15}$/.test(word))
  return isList ? words.map(Number) : refuse(option, text, 'whole numbers with commas between them')
}

/** Whole numbers with commas between them, each once. */
export function numberList(least: number, most?: number): Check<readonly number[]> {
  const one = wholeNumber(least, most)
  return (text, option) => {
    const values = text.split(',').map((word) => one(word.trim(), option))
    return new Set(values).size === values.length ? values : refuse(option, text, 'each number once')
  }
}

/** Texts with commas between them. */
export const textList: Check<readonly string[]> = (text, option) => {
  const texts = text.split(',')
  return texts.includes('') ? refuse(option, text, 'texts with commas between them, none empty') : texts
}

/** `PATTERN=TYPE`: a format for the matrices of some names. */
export const tensorRule: Check<TensorRule> = (text, option) => {
  const at = text.lastIndexOf('=')
  const dtype: WeightDtype | undefined = weightDtypes.find(
    (name) => name.toLowerCase() === text.slice(at + 1).toLowerCase(),
  )
  const accepted = `PATTERN=TYPE with one of the types ${weightDtypes.join(', ')}`
  return at > 0 && dtype ? { pattern: text.slice(0, at), dtype } : refuse(option, text, accepted)
}

function refuse(option: string, text: string, accepted: string): never {
  const found = text.length > 60 ? `${text.slice(0, 60)}...` : text
  return fail('option_invalid', { option, found, accepted })
}
