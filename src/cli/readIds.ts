import { fail } from '../base/errors.ts'
import { readText } from './readText.ts'

/** The token ids of a file: a JSON array of numbers, or numbers with white space or commas between them. */
export function readIds(path: string): readonly number[] {
  const text = readText(path)
  const trimmed = text.trim()
  const bare = trimmed.startsWith('[') && trimmed.endsWith(']') ? trimmed.slice(1, -1).trim() : trimmed
  if (bare === '') return []
  return bare.split(/\s*,\s*|\s+/).map((word, at) => {
    if (/^\d{1,15}$/.test(word)) return Number(word)
    const found = word.length > 30 ? `${word.slice(0, 30)}...` : word
    return fail('file_malformed', {
      path,
      what: `number ${at + 1} is '${found}'`,
      accepted: 'token ids as a JSON array, or whole numbers with white space between them',
    })
  })
}
