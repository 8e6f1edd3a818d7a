import { isUtf8 } from 'node:buffer'
import { fail } from '../../base/errors.ts'
import type { DataOptions } from './dataInfo.ts'
import { type Place, placePath, reportPlace } from './document.ts'
import type { Report } from './findings.ts'
import { foldAscii } from './foldAscii.ts'

export type CleanOptions = Pick<DataOptions, 'invalid' | 'controls' | 'ascii'>

const replacement = '\uFFFD'
const controls = /[^\P{Cc}\t\n\r]/gu
const loneSurrogates = /\p{Surrogate}/gu

/**
 * The text of bytes or of a JSON string, as it may be learnt. A byte order mark at its begin is no text. Refuses
 * `file_malformed` for what is no UTF-8, unless it is to be repaired.
 */
export function cleanText(found: string | Uint8Array, place: Place, options: CleanOptions, report: Report): string {
  const where = reportPlace(place)
  let text =
    typeof found === 'string' ? wellFormed(found, place, options, report) : decode(found, place, options, report)
  if (text.startsWith('\uFEFF')) text = text.slice(1)
  const count = text.match(controls)?.length ?? 0
  if (count > 0 && options.controls === 'remove') {
    text = text.replace(controls, '')
    report('controls', where, count)
  } else if (count > 0) report('controlsKept', where, count)
  if (!options.ascii) return text
  const { text: ascii, folded, unfoldable } = foldAscii(text)
  if (folded > 0) report('folded', where, folded)
  if (unfoldable > 0) report('unfoldable', where, unfoldable)
  return ascii
}

function decode(bytes: Uint8Array, place: Place, { invalid }: CleanOptions, report: Report): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  if (isUtf8(bytes)) return text
  if (invalid === 'refuse') {
    fail('file_malformed', {
      path: placePath(place),
      at: place.at + firstInvalid(bytes, text),
      what: 'a byte that is no UTF-8',
      accepted: 'text in UTF-8, or --invalid repair',
    })
  }
  const genuine = countOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), Buffer.from(replacement))
  report('invalid', reportPlace(place), text.split(replacement).length - 1 - genuine)
  return text
}

/** The byte at which the text stops to be what the bytes say. */
function firstInvalid(bytes: Uint8Array, text: string): number {
  const said = Buffer.from(text, 'utf8')
  let at = 0
  while (at < bytes.length && bytes[at] === said[at]) at++
  // A part of a character may agree with the replacement's own bytes.
  while (at > 0 && (said[at]! & 0xc0) === 0x80) at--
  return at
}

function countOf(bytes: Buffer, part: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(part); at >= 0; at = bytes.indexOf(part, at + part.length)) count++
  return count
}

function wellFormed(text: string, place: Place, { invalid }: CleanOptions, report: Report): string {
  const count = text.match(loneSurrogates)?.length ?? 0
  if (count === 0) return text
  if (invalid === 'refuse') {
    const what = 'a text has half of a surrogate pair, which is no character'
    fail('file_malformed', { path: placePath(place), what, accepted: 'text in Unicode, or --invalid repair' })
  }
  report('invalid', reportPlace(place), count)
  return text.replace(loneSurrogates, replacement)
}
