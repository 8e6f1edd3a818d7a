import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { orRefuseWrite } from '../../base/orRefuseWrite.ts'

/** What is known of a step: numbers and texts by name. Numbers that are not finite are written as texts. */
export interface MetricsRecord {
  readonly step: number
  readonly [key: string]: number | string | boolean | null
}

const pieceBytes = 2 ** 20
const lineEnd = 0x0a

/**
 * metrics.jsonl: a JSON object per line, in the order of the steps. A line is with the system when `append` returns, so that a
 * process that is killed loses none of them.
 */
export class MetricsFile {
  readonly #path: string
  readonly #fd: number
  #bytes: number

  private constructor(path: string, fd: number, bytes: number) {
    this.#path = path
    this.#fd = fd
    this.#bytes = bytes
  }

  /**
   * Opens or begins the file for a training that stands behind step `step`. Lines of later steps, and what is no whole line,
   * are cut off: those steps will be done again. Refuses `write_failed`.
   */
  static open(path: string, step: number): MetricsFile {
    // Not 'a', which would put every byte at the end whatever is asked for.
    const fd = orRefuseWrite(path, () => openSync(path, openFlags))
    try {
      const bytes = orRefuseWrite(path, () => endOf(fd, step))
      orRefuseWrite(path, () => ftruncateSync(fd, bytes))
      return new MetricsFile(path, fd, bytes)
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  /** Writes a line. Refuses `write_failed`; of a line that does not fit nothing stays. */
  append(record: MetricsRecord): void {
    const line = Buffer.from(`${JSON.stringify(record, (_, value) => asText(value))}\n`)
    orRefuseWrite(this.#path, () => {
      try {
        for (let done = 0; done < line.length; )
          done += writeSync(this.#fd, line, done, line.length - done, this.#bytes + done)
      } catch (error) {
        ftruncateSync(this.#fd, this.#bytes)
        throw error
      }
    })
    this.#bytes += line.length
  }

  /** Waits until all lines are on the disk: before the checkpoint that counts on them. Refuses `write_failed`. */
  sync(): void {
    orRefuseWrite(this.#path, () => fsyncSync(this.#fd))
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** Opened for reading and writing, made where it is not there, and not emptied. */
const openFlags = constants.O_RDWR | constants.O_CREAT

function asText(value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}

/** The bytes of the lines up to the first that is of a later step than `step`, or none that was written here. */
function endOf(fd: number, step: number): number {
  const size = fstatSync(fd).size
  let end = 0
  let rest = Buffer.alloc(0)
  for (let at = 0; at < size; ) {
    const piece = Buffer.alloc(Math.min(pieceBytes, size - at))
    const got = readSync(fd, piece, 0, piece.length, at)
    if (got === 0) break
    at += got
    rest = Buffer.concat([rest, piece.subarray(0, got)])
    for (let to = rest.indexOf(lineEnd); to >= 0; to = rest.indexOf(lineEnd)) {
      if (!isUpTo(step, rest.toString('utf8', 0, to))) return end
      end += to + 1
      rest = rest.subarray(to + 1)
    }
  }
  return end
}

function isUpTo(step: number, line: string): boolean {
  try {
    const record: unknown = JSON.parse(line)
    return typeof record === 'object' && record !== null && 'step' in record && Number(record.step) <= step
  } catch {
    return false
  }
}
