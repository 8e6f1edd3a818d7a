import { createHash, type Hash } from 'node:crypto'
import { fail } from '../base/errors.ts'
import type { HubSettings } from './hubSettings.ts'
import type { HubFile } from './listing.ts'
import { PartFile } from './partFile.ts'
import { failureOf, mayPass, mostAttempts, refuseFailure, waitBefore } from './request.ts'

export interface DownloadOptions {
  readonly signal?: AbortSignal
  /** Bytes of this file that are here. */
  readonly onBytes?: (bytes: number) => void
}

/**
 * Downloads a file of the hub to `blob`, which appears when it is whole and has the size and the hash that the hub says. A
 * download that was cut goes on where it ended, at once or in a later call. Refuses `hub_refused`, `hub_unreachable`, `hub_cut`,
 * `hub_damaged`, `download_stopped`, `write_failed`.
 */
export async function downloadBlob(
  url: string,
  file: HubFile,
  blob: string,
  settings: HubSettings,
  options: DownloadOptions = {},
): Promise<void> {
  const part = PartFile.open(blob)
  let isOver = false
  try {
    if (part.size > file.size) part.clear()
    const hash = startHash(file)
    for (const piece of part.pieces()) hash.update(piece)
    const found = await fetchRest(url, file, part, hash, settings, options)
    isOver = true
    if (found !== file.hash) {
      part.remove()
      fail('hub_damaged', { file: file.path, found: `hash ${found}`, expected: file.hash })
    }
    part.finish()
  } finally {
    if (!isOver) part.leave()
  }
}

/** What the hub's hashes are made of: a large file's are its bytes', a small one's git's of a blob. */
function startHash({ hash, size }: HubFile): Hash {
  return hash.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`)
}

/** Fetches until all bytes are here; gives their hash. */
async function fetchRest(
  url: string,
  file: HubFile,
  part: PartFile,
  begun: Hash,
  settings: HubSettings,
  { signal, onBytes }: DownloadOptions,
): Promise<string> {
  let hash = begun
  const take = (bytes: Uint8Array) => {
    if (part.size + bytes.length > file.size) {
      part.clear()
      fail('hub_damaged', { file: file.path, found: 'more bytes', expected: `${file.size} bytes` })
    }
    part.append(bytes)
    hash.update(bytes)
    onBytes?.(part.size)
  }
  onBytes?.(part.size)
  for (let failures = 0; part.size < file.size; ) {
    const before = part.size
    try {
      const response = await ask(url, part.size, settings, signal)
      if (part.size > 0 && !goesOn(response, part.size)) {
        part.clear()
        hash = startHash(file)
      }
      if (!response.ok) throw Object.assign(new Error(response.statusText), { statusCode: response.status })
      if (response.status === 206 && !goesOn(response, part.size)) throw new Error('the answer is of other bytes')
      for await (const bytes of response.body ?? []) take(bytes)
      if (part.size < file.size) throw new Error('the connection was closed')
    } catch (error) {
      const place = { file: file.path, done: part.size, size: file.size }
      if (signal?.aborted) return fail('download_stopped', place)
      const failure = failureOf(error)
      failures = part.size > before ? 1 : failures + 1
      const isHopeless = failures === mostAttempts || !(mayPass(failure) || failure.status === rangeRefused)
      if (isHopeless && part.size > 0) return fail('hub_cut', { ...place, cause: failure.cause })
      if (isHopeless) return refuseFailure(failure, file.path, settings)
      await waitBefore(failures + 1, settings, signal).catch(() => fail('download_stopped', place))
    }
  }
  return hash.digest('hex')
}

/** What is asked for lies behind what the hub has. */
const rangeRefused = 416

/** Whether an answer goes on at byte `from`; one that says nothing of the bytes before keeps them for another attempt. */
function goesOn(response: Response, from: number): boolean {
  if (response.status === 206) return response.headers.get('content-range')?.startsWith(`bytes ${from}-`) ?? false
  return response.status !== 200 && response.status !== rangeRefused
}

function ask(url: string, from: number, { token }: HubSettings, signal: AbortSignal | undefined): Promise<Response> {
  return fetch(url, {
    headers: {
      'accept-encoding': 'identity',
      ...(from > 0 ? { range: `bytes=${from}-` } : {}),
      // fetch leaves it out where a redirect leads to another host.
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(signal ? { signal } : {}),
  })
}
