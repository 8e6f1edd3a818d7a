import { randomBytes } from 'node:crypto'
import { fail } from '../base/errors.ts'
import type { GenerationSettings, Overflow } from './library.ts'

/** How a continuation is drawn, and when it ends. */
export interface GenerateOptions {
  /** At most this many tokens; 0: until the text or the context ends. Default 0. */
  readonly tokens?: number
  /** 0: always the likeliest token. Default 0.8. */
  readonly temperature?: number
  /** Only the k likeliest tokens; 0: off. Default 40. */
  readonly topK?: number
  /** Only the likeliest tokens that make up this share; 1: off. Default 0.95. */
  readonly topP?: number
  /** Only tokens at least this many times as likely as the likeliest; 0: off. Default 0. */
  readonly minP?: number
  /** Divides the logits of tokens seen lately; 1: off. Default 1. */
  readonly repeatPenalty?: number
  /** Tokens looked back for `repeatPenalty`. Default 64. */
  readonly repeatWindow?: number
  /** 0 .. 2^64 - 1; same seed, same text. Default: random. */
  readonly seed?: number | bigint
  /** Texts that end the generation and are not returned: at most 16, each at most 256 bytes. */
  readonly stops?: readonly string[]
  /**
   * Where a token does not fit the context. `refuse`: a prompt is refused, a continuation ends. `shift`: the older half of
   * the tokens behind the first `keep` is dropped, and the newer half computed again, which costs a prefill of half a
   * context: the text goes on exactly as after a prompt of what is left. Default `refuse`.
   */
  readonly overflow?: Overflow
  /** With `shift`: tokens from the first on that are never dropped. Default 0. */
  readonly keep?: number
  /** Go on after an end-of-text token. Default false. */
  readonly ignoreEos?: boolean
  /** For a prompt in text: put the model's special tokens around it. Default: only where the session is empty. */
  readonly addSpecial?: boolean
  /** For a prompt in text: special tokens written in it become their ids. Default false. */
  readonly special?: boolean
  /** Aborting it ends the generation with the refusal `aborted`. */
  readonly signal?: AbortSignal
}

/** Fills in the defaults and refuses what C's types cannot hold (`option_invalid`); the engine checks the ranges. */
export function settingsOf(options: GenerateOptions): GenerationSettings {
  return {
    temperature: options.temperature ?? 0.8,
    topK: whole('topK', options.topK ?? 40, 2 ** 31 - 1),
    topP: options.topP ?? 0.95,
    minP: options.minP ?? 0,
    repeatPenalty: options.repeatPenalty ?? 1,
    repeatWindow: whole('repeatWindow', options.repeatWindow ?? 64, 2 ** 31 - 1),
    seed: seedOf(options.seed),
    tokens: whole('tokens', options.tokens ?? 0, Number.MAX_SAFE_INTEGER),
    stops: (options.stops ?? []).map(stopOf),
    ignoreEos: options.ignoreEos ?? false,
    overflow: options.overflow ?? 'refuse',
    keep: whole('keep', options.keep ?? 0, 2 ** 31 - 1),
  }
}

/** `value`, where it is a whole number from 0 to `most`; else the refusal `option_invalid`. */
export function whole(option: string, value: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= 0 && value <= most) return value
  return fail('option_invalid', { option, found: String(value), accepted: `a whole number from 0 to ${most}` })
}

function seedOf(seed: number | bigint | undefined): bigint {
  if (seed === undefined) return randomBytes(8).readBigUInt64LE()
  const accepted = 'a whole number from 0 to 2^64 - 1'
  if (typeof seed === 'number' && !Number.isSafeInteger(seed)) {
    return fail('option_invalid', { option: 'seed', found: String(seed), accepted })
  }
  const value = BigInt(seed)
  return value >= 0n && value < 1n << 64n
    ? value
    : fail('option_invalid', { option: 'seed', found: `${seed}`, accepted })
}

function stopOf(stop: string): string {
  if (!stop.includes('\0')) return stop
  return fail('option_invalid', { option: 'stops', found: JSON.stringify(stop), accepted: 'text without a zero byte' })
}
