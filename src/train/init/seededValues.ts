import { createHash } from 'node:crypto'

/** What values are drawn from. */
export type Distribution =
  | { readonly kind: 'uniform'; readonly low: number; readonly high: number }
  /** Around 0; `cut`: nothing beyond so many deviations. */
  | { readonly kind: 'normal'; readonly deviation: number; readonly cut?: number }

/** Fills `values` with what the seed gives a weight of this name, whatever else is drawn. */
export function fillSeeded(values: Float32Array, seed: bigint, weight: string, from: Distribution): void {
  const word = wordsOf(seed, weight)
  const uniform = () => (word() + 0.5) * 2 ** -32
  if (from.kind === 'uniform') {
    const { low, high } = from
    for (let i = 0; i < values.length; i++) values[i] = low + (high - low) * uniform()
    return
  }
  const { deviation, cut = Number.POSITIVE_INFINITY } = from
  for (let i = 0; i < values.length; ) {
    // Box and Muller 1958: two normal numbers from two uniform ones.
    const radius = Math.sqrt(-2 * Math.log(uniform()))
    const angle = 2 * Math.PI * uniform()
    for (const value of [radius * Math.cos(angle), radius * Math.sin(angle)]) {
      if (i < values.length && Math.abs(value) <= cut) values[i++] = deviation * value
    }
  }
}

/** A stream of whole numbers from 0 to 2^32 - 1: xoshiro128** (Blackman and Vigna 2018), begun at a digest of its name. */
function wordsOf(seed: bigint, weight: string): () => number {
  const digest = createHash('sha256').update(`${seed};${weight}`).digest()
  let [a, b, c, d] = [0, 4, 8, 12].map((at) => digest.readInt32LE(at)) as [number, number, number, number]
  return () => {
    const scrambled = Math.imul(b, 5)
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9)
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    return result >>> 0
  }
}
