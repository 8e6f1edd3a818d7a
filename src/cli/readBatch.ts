import { fail } from '../base/errors.ts'
import { parseJson } from '../formats/parseJson.ts'
import { readText } from './readText.ts'

/**
 * The sequences of token ids in a file: a JSON array of arrays of one length of at least 2. Refuses anything else with
 * `file_malformed`.
 */
export function readBatch(path: string): readonly (readonly number[])[] {
  const accepted = 'a JSON array of arrays of token ids, all of one length of at least 2'
  const refuse = (what: string): never => fail('file_malformed', { path, what, accepted })
  const value: unknown = parseJson(path, readText(path), 'the file')
  const list: readonly unknown[] = Array.isArray(value) ? value : refuse('the file is no array')
  if (list.length === 0) refuse('the array is empty')
  const isId = (id: unknown): id is number => typeof id === 'number' && Number.isSafeInteger(id) && id >= 0
  const batch = list.map((ids, at): readonly number[] => {
    if (!Array.isArray(ids)) return refuse(`element ${at + 1} is no array`)
    const wrong = ids.findIndex((id) => !isId(id))
    if (wrong >= 0) refuse(`id ${wrong + 1} of sequence ${at + 1} is ${JSON.stringify(ids[wrong])?.slice(0, 30)}`)
    return ids.filter(isId)
  })
  const [first = 0, ...others] = batch.map((ids) => ids.length)
  if (first < 2) refuse(`sequence 1 has ${first} id${first === 1 ? '' : 's'}`)
  const odd = others.findIndex((length) => length !== first)
  if (odd >= 0) refuse(`sequence ${odd + 2} has ${others[odd]} ids and sequence 1 has ${first}`)
  return batch
}
