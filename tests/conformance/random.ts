/** A seeded stream of numbers (mulberry32 steps); equal seeds give equal streams. */
export interface Random {
  /** Whole numbers 0 .. below - 1. */
  whole(below: number): number
  /** About normal: mean 0, deviation 1, within ±6. */
  normal(): number
}

export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const unit = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    whole: (below) => Math.floor(unit() * below),
    normal() {
      let sum = -6
      for (let i = 0; i < 12; i++) sum += unit()
      return sum
    },
  }
}
