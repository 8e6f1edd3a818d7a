import { fail } from '../base/errors.ts'

// A name ends up in messages, in reports and in comments of the generated C, where these could do harm.
const harmful = /[\p{Cc}\p{Surrogate}\p{Zl}\p{Zp}\p{Bidi_Control}]/u
const maxNameBytes = 1024

/** Text of a file as a message may show it: on one line, without control characters, cut to `limit` characters. */
export function printable(text: string, limit = 100): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text
  return cut.replace(new RegExp(harmful, 'gu'), (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}

/** Refuses `file_malformed` unless the name of a key or a tensor is 1 to 1,024 bytes without control characters. */
export function checkName(path: string, what: string, name: string, at?: number): void {
  const bytes = Buffer.byteLength(name)
  if (bytes >= 1 && bytes <= maxNameBytes && !harmful.test(name)) return
  fail('file_malformed', {
    path,
    ...(at === undefined ? {} : { at }),
    what: `${what} has a name of ${bytes} bytes, '${printable(name)}'`,
    accepted: `1 to ${maxNameBytes} bytes without control characters`,
  })
}
