import { setImmediate } from 'node:timers/promises'
import { fail } from '../../base/errors.ts'
import { type CleanDocument, cleanDocument, digestOf } from './cleanDocument.ts'
import type { CleanOptions } from './cleanText.ts'
import { type Place, reportPlace } from './document.ts'
import type { Report } from './findings.ts'
import { type Input, type ReadOptions, readDocuments } from './readDocuments.ts'

/** A document of the inputs; `document` is absent where nothing is left of it. */
export interface FoundDocument {
  readonly place: Place
  readonly document: CleanDocument | undefined
}

/** The documents of inputs, cleaned, in their order; a second reading gives the same ones. */
export async function* cleanDocuments(
  inputs: readonly Input[],
  reading: ReadOptions,
  options: CleanOptions,
  report: Report,
  pause: Pause,
): AsyncGenerator<FoundDocument, void, undefined> {
  for (const input of inputs) {
    for (const document of readDocuments(input, reading)) {
      await pause(document.place)
      yield { place: document.place, document: cleanDocument(document, options, report) }
    }
  }
}

/** Which documents are kept, by their order, and their bytes; of equal ones the first is. */
export async function surveyDocuments(
  documents: AsyncIterable<FoundDocument>,
  report: Report,
): Promise<{ readonly kept: readonly boolean[]; readonly bytes: number }> {
  const kept: boolean[] = []
  const seen = new Set<string>()
  let bytes = 0
  for await (const { place, document } of documents) {
    const digest = document && digestOf(document).toString('latin1', 0, 16)
    const isRepeated = digest !== undefined && seen.has(digest)
    if (isRepeated) report('duplicates', reportPlace(place))
    if (digest !== undefined) seen.add(digest)
    kept.push(document !== undefined && !isRepeated)
    if (document && !isRepeated) bytes += document.bytes
  }
  return { kept, bytes }
}

/** Lets others work between documents. */
export type Pause = (place: Place) => Promise<void>

const pauseMilliseconds = 100

/** Tells how far two readings of the inputs are, and refuses `aborted`, from time to time. */
export function pauses(
  inputs: readonly Input[],
  signal: AbortSignal | undefined,
  onProgress: (done: number) => void,
): Pause {
  let last = performance.now()
  let path = ''
  let files = 0
  return async (place) => {
    if (place.path !== path) {
      path = place.path
      files++
    } else if (performance.now() - last < pauseMilliseconds) return
    onProgress(Math.min(1, (files - 1) / (2 * inputs.length)))
    await setImmediate()
    last = performance.now()
    if (signal?.aborted) fail('aborted', { what: 'data prepare' })
  }
}
