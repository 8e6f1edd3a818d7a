import { bytesOf, dtypes } from '../base/dtypes.ts'
import { kernels } from '../kernels/registry.ts'
import type { Call } from '../plan/program.ts'
import type { Span } from './span.ts'

/** Tokens that a call reads back, a token's own among them; 0: all. */
export function windowOf({ attributes }: Call): number {
  return Number(attributes.window ?? 0)
}

/** Positions that a token of the span attends to in the mean: the one at position p to p + 1, or as many as its window has. */
export function attendedMean({ from, tokens }: Span, window: number): number {
  if (window === 0) return from + (tokens + 1) / 2
  const whole = Math.min(Math.max(window - from, 0), tokens)
  return (whole * (from + (whole + 1) / 2) + (tokens - whole) * window) / tokens
}

/** Positions of a cache that a step over the span reads, each once: from the first that its first token attends to. */
export function attendedInStep({ from, tokens }: Span, window: number): number {
  return from + tokens - (window === 0 ? 0 : Math.max(0, from - window + 1))
}

/** Bytes of a position in the keys and values that a call reads; 0 where it reads none. */
export function cachedBytes({ kernel, dims }: Call): number {
  const { keys, values } = kernels.get(kernel)?.buffers ?? {}
  if (!keys || !values) return 0
  const elements = Number(dims.sequenceCount) * Number(dims.kvHeads) * Number(dims.width)
  return [keys, values].reduce((sum, { dtype }) => {
    const { blockElements } = dtypes[dtype]
    return sum + bytesOf(dtype, Math.ceil(elements / blockElements) * blockElements)!
  }, 0)
}
