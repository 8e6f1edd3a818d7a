import { constants } from 'node:os'

/** Signals that end a training behind its step: a person's, a system's, and a scheduler's warning before it ends a job. */
export const endingSignals = ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const
export type EndingSignal = (typeof endingSignals)[number]

/** Whether a training has been asked to end. */
export interface SignalWatch {
  /** The signal that came; undefined: none so far. */
  readonly received: EndingSignal | undefined
  /** Aborted with the signal, for what waits. */
  readonly signal: AbortSignal
  /** Gives the signals back to those who had them before. */
  end(): void
}

/**
 * Takes the ending signals until `end`: the first one is remembered, so that the loop finishes its step, writes a checkpoint and
 * ends well; the second one ends the process at once. A signal arrives when the loop waits for something, as a call of the
 * engine off the event loop.
 */
export function untilSignal(signals: readonly EndingSignal[] = endingSignals): SignalWatch {
  const abort = new AbortController()
  let received: EndingSignal | undefined
  const before = new Map(signals.map((name) => [name, process.listeners(name)]))
  const listen = (name: EndingSignal) => {
    if (received !== undefined) process.exit(128 + constants.signals[name])
    received = name
    abort.abort(name)
  }
  for (const name of signals) {
    process.removeAllListeners(name)
    process.on(name, listen)
  }
  return {
    get received() {
      return received
    },
    signal: abort.signal,
    end() {
      for (const [name, listeners] of before) {
        process.removeListener(name, listen)
        for (const listener of listeners) process.on(name, listener as NodeJS.SignalsListener)
      }
    },
  }
}
