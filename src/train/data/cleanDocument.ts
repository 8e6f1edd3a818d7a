import { createHash } from 'node:crypto'
import type { ChatTurn } from '../../chat/contract.ts'
import { type CleanOptions, cleanText } from './cleanText.ts'
import { type Document, type Place, reportPlace } from './document.ts'
import type { Report } from './findings.ts'

/** A document that was cleaned. `bytes`: of its text in UTF-8, of its ids in their file. */
export type CleanDocument = { readonly place: Place; readonly bytes: number } & (
  | { readonly kind: 'text'; readonly text: string; readonly isRunning: boolean }
  | { readonly kind: 'chat'; readonly turns: readonly ChatTurn[] }
  | {
      readonly kind: 'ids'
      readonly ids: Int32Array
      readonly loss?: Uint8Array
      readonly idBytes: number
      readonly isRunning: boolean
    }
)

/** Cleans a document; undefined where nothing is left, or it is too long, both of which are reported. */
export function cleanDocument(document: Document, options: CleanOptions, report: Report): CleanDocument | undefined {
  const { place } = document
  const clean = (text: string | Uint8Array) => cleanText(text, place, options, report)
  const leftOut = (name: 'empty' | 'long') => {
    report(name, reportPlace(place))
    return undefined
  }
  if (document.kind === 'long') return leftOut('long')
  if (document.kind === 'ids') {
    const { ids, idBytes } = document
    return ids.length === 0 ? leftOut('empty') : { ...document, bytes: ids.length * idBytes }
  }
  if (document.kind === 'chat') {
    const turns = document.turns.map(({ role, content }) => ({ role, content: clean(content) }))
    const bytes = turns.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0)
    return turns.at(-1)?.content.trim() ? { kind: 'chat', place, turns, bytes } : leftOut('empty')
  }
  const text = clean(document.kind === 'text' ? document.text : document.bytes)
  if (text.trim() === '') return leftOut('empty')
  const isRunning = document.kind === 'bytes' && document.isRunning
  return { kind: 'text', place, text, isRunning, bytes: Buffer.byteLength(text) }
}

/** SHA-256 of what a document says, whatever its place. */
export function digestOf(document: CleanDocument): Buffer {
  const hash = createHash('sha256').update(`${document.kind};`)
  if (document.kind === 'text') hash.update(document.text)
  else if (document.kind === 'chat') hash.update(JSON.stringify(document.turns))
  else {
    hash.update(document.ids)
    if (document.loss) hash.update(document.loss)
  }
  return hash.digest()
}
