/**
 * A shuffle of the numbers 0 .. count - 1 that is computed, not held: a Feistel network over the smallest square of a power
 * of two that has them all, walked again from where it leads outside (Black and Rogaway, "Ciphers with arbitrary finite
 * domains", 2002). `count` is 1 .. 2^52; `seed` is a whole number from 0 to 2^53 - 1. Equal arguments give an equal shuffle.
 */
export function permutation(count: number, seed: number, epoch: number): (index: number) => number {
  let bits = 1
  while (4 ** bits < count) bits++
  const half = 2 ** bits
  const keys = roundKeys(seed, epoch)
  return (index) => {
    let at = index
    do {
      let left = Math.floor(at / half)
      let right = at % half
      for (const key of keys) [left, right] = [right, left ^ (mix(right ^ key) & (half - 1))]
      at = left * half + right
    } while (at >= count)
    return at
  }
}

const rounds = 8

function roundKeys(seed: number, epoch: number): readonly number[] {
  let state = 0
  const absorb = (value: number) => {
    state = mix(state ^ (value >>> 0))
    state = mix(state ^ Math.floor(value / 2 ** 32) ^ 0x9e3779b9)
  }
  absorb(seed)
  absorb(epoch)
  return Array.from({ length: rounds }, (_, round) => mix(state ^ Math.imul(round + 1, 0x85ebca6b)))
}

/** A bijection of 32 bits (Steele, Lea, Flood: "Fast splittable pseudorandom number generators"). */
function mix(value: number): number {
  let z = (value + 0x9e3779b9) | 0
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
  return (z ^ (z >>> 16)) >>> 0
}
