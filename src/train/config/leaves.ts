import { z } from 'zod'
import { bytesIn } from '../../base/byteText.ts'

/** Kinds of values of a config. The error of each is what would be accepted, to stand behind "accepted: ". */

/** A whole number. */
export function whole(least: number, about: string, most = Number.MAX_SAFE_INTEGER) {
  const accepted =
    most === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${least}` : `a whole number from ${least} to ${most}`
  return z.number({ error: accepted }).int(accepted).min(least, accepted).max(most, accepted).describe(about)
}

/** A number; `above`: it is greater than that. */
export function real(about: string, { above, least, most }: { above?: number; least?: number; most?: number } = {}) {
  const from = above === undefined ? `at least ${least ?? 0}` : `above ${above}`
  const accepted = `a number ${from}${most === undefined ? '' : ` and at most ${most}`}`
  const number = z.number({ error: accepted })
  const bounded = above === undefined ? number.min(least ?? 0, accepted) : number.gt(above, accepted)
  return (most === undefined ? bounded : bounded.max(most, accepted)).describe(about)
}

/** One of a few words. */
export function word<const T extends readonly [string, ...string[]]>(words: T, about: string) {
  return z.enum(words, { error: words.join(', ') }).describe(about)
}

/** Text that is not empty. */
export function text(about: string) {
  const accepted = 'text that is not empty'
  return z.string({ error: accepted }).min(1, accepted).describe(about)
}

/** Text that may be empty. */
export function anyText(about: string) {
  return z.string({ error: 'text' }).describe(about)
}

export function flag(about: string) {
  return z.boolean({ error: 'true or false' }).describe(about)
}

/** A list of at least one. */
export function list<T extends z.ZodType>(item: T, accepted: string, about: string) {
  return z.array(item, { error: accepted }).min(1, accepted).describe(about)
}

/** One file or several, as paths from the config's folder; `*`, `?` and `**` stand for what is there. */
export function files(about: string) {
  const accepted = 'a path, or a list of paths'
  return z
    .union([z.string().min(1, accepted), z.array(z.string().min(1, accepted)).min(1, accepted)], { error: accepted })
    .describe(about)
}

/** A number of bytes, or text such as "2GiB". */
export function bytes(about: string) {
  const accepted = 'a number of bytes, or text such as "512MiB" or "2GiB"'
  const pattern = /^\d+(\.\d+)? ?([KMGT]i?)?B$/
  return z
    .union([z.number().int(accepted).min(1, accepted), z.string().regex(pattern, accepted)], { error: accepted })
    .describe(about)
}

/** An object of these keys and no other. */
export function record<T extends z.ZodRawShape>(shape: T, about: string) {
  return z
    .strictObject(shape, { error: (issue) => (issue.code === 'invalid_type' ? 'keys with values' : undefined) })
    .describe(about)
}

/** The number of bytes that a value of `bytes` means. */
export function bytesOf(value: number | string): number {
  return typeof value === 'number' ? value : bytesIn(value)!
}
