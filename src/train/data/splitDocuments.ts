import { createHash } from 'node:crypto'
import { type CleanDocument, digestOf } from './cleanDocument.ts'
import type { DataOptions, DataPart } from './dataInfo.ts'

/** A document, or a piece of running text, and the part that it belongs to. */
export type Placed = readonly [DataPart, CleanDocument]

/**
 * Gives documents, in their order, to the two parts. `end`: the last share of all `bytes`, rounded up, is for validation;
 * running text is cut there between characters, another document belongs where it begins. `documents`: by what a document
 * says and the seed alone.
 */
export function splitDocuments(
  { validation, split, seed }: Pick<DataOptions, 'validation' | 'split' | 'seed'>,
  bytes: number,
): (document: CleanDocument) => readonly Placed[] {
  const cut = Math.floor(bytes * (1 - validation))
  let position = 0
  return (document) => {
    const begin = position
    position += document.bytes
    if (validation === 0) return [['train', document]]
    if (split === 'documents') {
      const drawn = createHash('sha256').update(`${seed};`).update(digestOf(document)).digest().readUIntBE(0, 6)
      return [[drawn < validation * 2 ** 48 ? 'validation' : 'train', document]]
    }
    if (begin >= cut) return [['validation', document]]
    if (position <= cut) return [['train', document]]
    const pieces = cutAt(document, cut - begin)
    return pieces
      ? [
          ['train', pieces[0]],
          ['validation', pieces[1]],
        ]
      : [['train', document]]
  }
}

/** Two pieces, neither of them empty, where the document may be cut; `bytes` is inside it. */
function cutAt(document: CleanDocument, bytes: number): readonly [CleanDocument, CleanDocument] | undefined {
  if (document.kind === 'chat' || !document.isRunning) return undefined
  if (document.kind === 'ids') {
    const { ids, idBytes } = document
    const at = Math.floor(bytes / idBytes)
    if (at === 0) return undefined
    const rest = { ...document, place: { ...document.place, at: document.place.at + at } }
    return [
      { ...document, ids: ids.subarray(0, at), bytes: at * idBytes },
      { ...rest, ids: ids.subarray(at), bytes: (ids.length - at) * idBytes },
    ]
  }
  const all = Buffer.from(document.text, 'utf8')
  let at = bytes
  while (at > 0 && (all[at]! & 0xc0) === 0x80) at--
  if (at === 0) return undefined
  const piece = (part: Buffer): CleanDocument => ({ ...document, text: part.toString('utf8'), bytes: part.length })
  return [piece(all.subarray(0, at)), piece(all.subarray(at))]
}
