import { fail } from '../base/errors.ts'
import type { ByteSource } from './byteSource.ts'
import type { Checkpoint, TensorRecord } from './checkpoint.ts'
import { type FingerprintPart, fingerprintOf } from './fingerprint.ts'

/** What a format's reader has found out, and the open files that it found it in. */
export interface CheckpointParts
  extends Pick<Checkpoint, 'path' | 'description' | 'architecture' | 'name' | 'tensors'> {
  /** Every file of the checkpoint in a fixed order; tensor records name them by path. */
  readonly files: readonly FingerprintPart[]
}

/** Makes a checkpoint of its parts. It owns the files: `close` closes them. */
export function assembleCheckpoint({ files, ...tables }: CheckpointParts): Checkpoint {
  const sources = new Map(files.map(({ source }) => [source.path, source]))
  let fingerprint: string | undefined
  return {
    ...tables,
    read(tensor, from = 0, bytes = tensor.bytes - from, into?) {
      const source = sources.get(tensor.file)
      if (!source) fail('engine_failed', { what: `${tensor.file}: tensor '${tensor.name}' is of another checkpoint` })
      return readTensor(source, tensor, from, bytes, into)
    },
    fingerprint() {
      fingerprint ??= fingerprintOf(files)
      return fingerprint
    },
    close: () => closeAll(files.map(({ source }) => source)),
  }
}

/** Reads `bytes` of a tensor of `source` from byte `from` of its data into `into`, or into a new array. */
export function readTensor(
  source: ByteSource,
  tensor: TensorRecord,
  from: number,
  bytes: number,
  into?: Uint8Array,
): Uint8Array {
  checkRange(tensor, from, bytes, into)
  const out = into ? into.subarray(0, bytes) : new Uint8Array(bytes)
  source.read(tensor.offset + from, out)
  return out
}

/** Runs `action`, which collects the files it opens in the list it is given; they are closed where it refuses. */
export function withFiles<T>(action: (opened: FingerprintPart[]) => T): T {
  const opened: FingerprintPart[] = []
  try {
    return action(opened)
  } catch (error) {
    closeAll(opened.map(({ source }) => source))
    throw error
  }
}

function closeAll(sources: Iterable<ByteSource>): void {
  for (const source of sources) source.close()
}

function checkRange(tensor: TensorRecord, from: number, bytes: number, into: Uint8Array | undefined): void {
  const isRange = Number.isSafeInteger(from) && Number.isSafeInteger(bytes) && from >= 0 && bytes >= 0
  if (isRange && from + bytes <= tensor.bytes && (!into || into.length >= bytes)) return
  const room = into ? ` into ${into.length} bytes` : ''
  fail('engine_failed', {
    what:
      `${tensor.file}: tensor '${tensor.name}' was asked for ${bytes} bytes from byte ${from}${room}; ` +
      `accepted: a range within its ${tensor.bytes} bytes`,
  })
}
