import { type TrainingProgress, trainingLine } from './trainingLine.ts'

/** Where lines are shown: standard error, mostly. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** Back to the begin of the line, and nothing behind it. */
const clear = '\r\u001b[K'

/**
 * Shows the progress of a training: on a terminal one line that is written over, elsewhere a line for every step that is a
 * multiple of `every`, and the last one.
 */
export class TrainingDisplay {
  readonly #screen: Screen
  readonly #every: number
  #shown = ''

  constructor(screen: Screen, every = 1) {
    this.#screen = screen
    this.#every = every
  }

  show(progress: TrainingProgress): void {
    const line = trainingLine(progress)
    const isDue = progress.step % this.#every === 0 || progress.step === progress.steps
    if (this.#screen.isTTY) {
      // A line that wraps could not be written over.
      this.#shown = line.slice(0, (this.#screen.columns ?? 80) - 1)
      this.#screen.write(clear + this.#shown)
    } else if (isDue) this.#screen.write(`${line}\n`)
  }

  /** Writes a line of its own, a sample or a message, above the progress. */
  note(line: string): void {
    if (this.#screen.isTTY && this.#shown !== '') this.#screen.write(`${clear}${line}\n${this.#shown}`)
    else this.#screen.write(`${line}\n`)
  }

  /** Leaves the last line standing. */
  end(): void {
    if (this.#screen.isTTY && this.#shown !== '') this.#screen.write('\n')
    this.#shown = ''
  }
}
