/** Calls of C functions through koffi, and how they answer. */
import type { KoffiFunc } from 'koffi'

/** `ck_status` by number. */
const statuses = [
  'ok',
  'file',
  'format',
  'cpu',
  'memory',
  'argument',
  'context',
  'tokenizer',
  'stopped',
  'overrun',
] as const
export type Failure = Exclude<(typeof statuses)[number], 'ok'>

/** What a C function that can fail answers: its result, or why not in one sentence. */
export type Answer<T> =
  | { readonly status: 'ok'; readonly value: T }
  | { readonly status: Failure; readonly message: string }

/** An address in this process. */
export type Pointer = bigint

/** A koffi function; its arguments are checked by those who call it. */
export type Native = KoffiFunc<(...values: unknown[]) => number | bigint>

const errorBytes = 512

/** The value of a function that gives none. */
export const nothing = (): void => undefined

/** Calls now. The error buffer is every function's last argument. */
export function answer<T>(call: Native, values: readonly unknown[], value: () => T): Answer<T> {
  const error = Buffer.alloc(errorBytes)
  return toAnswer(Number(call(...values, error)), error, value)
}

/** Calls on another thread. */
export function answerLater<T>(call: Native, values: readonly unknown[], value: () => T): Promise<Answer<T>> {
  // The callback's hold on this keeps every buffer that C writes alive until the call has returned.
  const held = { values, error: Buffer.alloc(errorBytes) }
  return new Promise((resolve, reject) => {
    call.async(...values, held.error, (thrown: unknown, status: number | bigint) => {
      if (thrown) reject(thrown)
      else resolve(toAnswer(Number(status), held.error, value))
    })
  })
}

function toAnswer<T>(status: number, error: Buffer, value: () => T): Answer<T> {
  const name = statuses[status]
  if (name === 'ok') return { status: name, value: value() }
  const message = error.toString('utf8', 0, error.indexOf(0))
  // A number that this version does not know can only be an error of the engine itself.
  return { status: name ?? 'memory', message }
}
