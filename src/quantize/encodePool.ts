import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Encode } from '../base/dtypes.ts'
import { modulePath } from '../base/packageRoot.ts'
import { type EncodeResult, type EncodeTask, encodeRows } from './encodeRows.ts'

/** Encodes pieces of tensors on several threads. */
export interface EncodePool {
  /** The results of the tasks in their order; a few tasks ahead of the reader are under way. Bytes of tasks are given away. */
  encode(tasks: Iterable<EncodeTask>): AsyncGenerator<EncodeResult, void, undefined>
  close(): Promise<void>
}

/** A pool of `threads` threads; with one, this thread computes. Results do not depend on the number. */
export function openEncodePool(threads: number): EncodePool {
  if (threads > 1) return threadPool(Array.from({ length: threads }, startThread))
  const encoders = new Map<string, Encode>()
  return {
    async *encode(tasks) {
      for (const task of tasks) {
        // Signals are heard between pieces.
        await setImmediate()
        yield encodeRows(task, encoders)
      }
    },
    close: async () => {},
  }
}

/** Answers of a thread in the order of its tasks. */
interface Thread {
  run(task: EncodeTask): Promise<EncodeResult>
  stop(): Promise<unknown>
}

function startThread(): Thread {
  const worker = new Worker(modulePath('quantize/encodeWorker'))
  const waiting: { resolve: (result: EncodeResult) => void; reject: (error: unknown) => void }[] = []
  let broken: { readonly error: unknown } | undefined
  worker.on('message', (result: EncodeResult) => waiting.shift()?.resolve(result))
  worker.on('error', (error) => {
    broken = { error }
    for (const { reject } of waiting.splice(0)) reject(error)
  })
  return {
    run: (task) =>
      new Promise((resolve, reject) => {
        if (broken) {
          reject(broken.error)
          return
        }
        waiting.push({ resolve, reject })
        const { source } = task
        worker.postMessage(task, source.from === 'bytes' ? [source.bytes.buffer as ArrayBuffer] : [])
      }),
    stop: () => worker.terminate(),
  }
}

/** Two pieces per thread keep all of them busy while one is read or written. */
const piecesPerThread = 2

function threadPool(threads: readonly Thread[]): EncodePool {
  return {
    async *encode(tasks) {
      const under: Promise<EncodeResult>[] = []
      let next = 0
      for (const task of tasks) {
        const result = threads[next]!.run(task)
        // One that fails while an earlier one is awaited is raised when its turn comes.
        result.catch(() => {})
        under.push(result)
        next = (next + 1) % threads.length
        if (under.length >= piecesPerThread * threads.length) yield await under.shift()!
      }
      for (const result of under) yield await result
    },
    async close() {
      await Promise.all(threads.map((thread) => thread.stop()))
    },
  }
}
