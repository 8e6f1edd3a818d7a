/** The state from which piece `piece` of tensor `tensor` of the model with this seed is drawn. */
export function randomState(seed: bigint, tensor: number, piece = 0): number {
  const [low, high] = [Number(seed & 0xffffffffn), Number(seed >> 32n)]
  // Zero is the one state that never changes.
  return mix(mix(mix(mix(low) ^ high) ^ (tensor + 1)) ^ piece) || 1
}

/** Murmur3's finaliser over a word that is not 0 for 0. */
function mix(word: number): number {
  let bits = (word + 0x9e3779b9) | 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return bits ^ (bits >>> 16)
}

/**
 * Gives what fills the next rows with numbers around 0 of deviation `spread`, nearly normal as trained weights are: each is
 * the sum of four uniform numbers of 16 bits, from an xorshift generator (Marsaglia 2003).
 */
export function fillRandom(start: number, spread: number): (row: number, values: Float32Array) => void {
  let state = start
  // A uniform number of 16 bits has the variance (2^32 - 1) / 12.
  const scale = spread / Math.sqrt((4 * (2 ** 32 - 1)) / 12)
  const middle = 2 * 65535
  return (_row, values) => {
    for (let i = 0; i < values.length; i++) {
      let sum = -middle
      for (let word = 0; word < 2; word++) {
        state ^= state << 13
        state ^= state >>> 17
        state ^= state << 5
        sum += (state & 0xffff) + (state >>> 16)
      }
      values[i] = sum * scale
    }
  }
}
