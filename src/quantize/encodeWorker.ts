import { parentPort } from 'node:worker_threads'
import type { Encode } from '../base/dtypes.ts'
import { type EncodeTask, encodeRows } from './encodeRows.ts'

/** The thread of encodePool.ts: answers each task with its result, in order. */
const encoders = new Map<string, Encode>()

parentPort?.on('message', (task: EncodeTask) => {
  const result = encodeRows(task, encoders)
  // Bytes that came in a message are this thread's own, and so are new ones.
  parentPort?.postMessage(result, 'bytes' in result ? [result.bytes.buffer as ArrayBuffer] : [])
})
