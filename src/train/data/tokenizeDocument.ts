import { fail } from '../../base/errors.ts'
import { chatRuns } from './chatRuns.ts'
import type { CleanDocument } from './cleanDocument.ts'
import type { DataOptions } from './dataInfo.ts'
import { placePath } from './document.ts'
import type { DataTokenizer } from './openDataTokenizer.ts'

/** The ids of a document. */
export interface DocumentIds {
  readonly ids: Int32Array
  /** [ids] 1 where a token may be learnt; absent: everywhere. */
  readonly loss?: Uint8Array
}

/**
 * The ids of a document: of a text with the special tokens that are asked for, of a conversation by its template. Refuses
 * `tokenizer_missing`, `template_missing`, as `chatRuns`, and `file_malformed` for ids beyond the vocabulary.
 */
export function tokenizeDocument(
  document: CleanDocument,
  vocabulary: number,
  { addSpecial, endToken }: Pick<DataOptions, 'addSpecial' | 'endToken'>,
  tokenizer: DataTokenizer | undefined,
): DocumentIds {
  const path = placePath(document.place)
  if (document.kind === 'ids') {
    checkIds(document.ids, document.place.at, vocabulary, path)
    return document
  }
  if (!tokenizer) return fail('tokenizer_missing', { path })
  if (document.kind === 'text') {
    const ids = tokenizer.tokenizer.encodeParts([{ text: document.text, special: false }], { addSpecial })
    return { ids: endToken ? ended(ids, tokenizer) : ids }
  }
  if (!tokenizer.chat) return fail('template_missing', { path: tokenizer.path })
  const pieces: Int32Array[] = []
  const loss: number[] = []
  for (const { parts, isLearnt } of chatRuns(tokenizer.chat, document.turns, path)) {
    const ids = tokenizer.tokenizer.encodeParts(parts, { continues: pieces.length > 0 })
    pieces.push(ids)
    for (const _ of ids) loss.push(Number(isLearnt))
  }
  return { ids: Int32Array.from(pieces.flatMap((ids) => [...ids])), loss: Uint8Array.from(loss) }
}

function ended(ids: Int32Array, { tokenizer: { eos }, path }: DataTokenizer): Int32Array {
  if (eos < 0) {
    const accepted = 'a tokenizer with a token that ends texts, or none such asked for'
    fail('tokenizer_invalid', { path, what: 'has no token that ends texts', accepted })
  }
  if (ids.at(-1) === eos) return ids
  const out = new Int32Array(ids.length + 1)
  out.set(ids)
  out[ids.length] = eos
  return out
}

function checkIds(ids: Int32Array, at: number, vocabulary: number, path: string): void {
  const wrong = ids.findIndex((id) => id >= vocabulary)
  if (wrong < 0) return
  const what = `token ${at + wrong} has id ${ids[wrong]}`
  fail('file_malformed', { path, what, accepted: `ids of the tokenizer, 0 to ${vocabulary - 1}` })
}
