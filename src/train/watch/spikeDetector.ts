/** What counts as a spike. */
export interface SpikeOptions {
  /** Times the running median; above 1. */
  readonly factor: number
  /** Losses that the median is of. */
  readonly window: number
}

/** What a detector remembers, for a checkpoint: the last losses, the newest last. */
export interface SpikeState {
  readonly losses: readonly number[]
}

/** A loss that is too high, and the median that it is compared with. */
export interface Spike {
  readonly loss: number
  readonly median: number
}

/**
 * Finds losses above `factor` times the median of the last `window` ones, once half of these are there. A spike does not enter
 * the median. Losses that are no finite numbers are not its business: training stops at those anyway.
 */
export class SpikeDetector {
  readonly #factor: number
  readonly #window: number
  #losses: readonly number[]

  constructor({ factor, window }: SpikeOptions, { losses }: SpikeState = { losses: [] }) {
    this.#factor = factor
    this.#window = window
    this.#losses = losses
  }

  /** Takes the loss of the next step; undefined where it is none. */
  observe(loss: number): Spike | undefined {
    if (2 * this.#losses.length >= this.#window) {
      const median = medianOf(this.#losses)
      if (loss > this.#factor * median) return { loss, median }
    }
    if (Number.isFinite(loss)) this.#losses = [...this.#losses, loss].slice(-this.#window)
    return undefined
  }

  get state(): SpikeState {
    return { losses: this.#losses }
  }
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
