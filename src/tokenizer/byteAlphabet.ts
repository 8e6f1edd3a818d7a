/**
 * GPT-2's printable alphabet: every byte has a character, so that a vocabulary of byte strings can be written as text.
 * Printable Latin-1 stands for itself; the other 68 bytes follow from U+0100 on in order (Radford et al. 2019, encoder.py).
 */
export const byteToLetter: readonly string[] = letters()
export const letterToByte: ReadonlyMap<string, number> = new Map(byteToLetter.map((letter, byte) => [letter, byte]))

function letters(): string[] {
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad)
    return String.fromCharCode(printable ? byte : next++)
  })
}

/** The bytes that `text` writes in the alphabet; undefined where a character is not of it. */
export function bytesOfLetters(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    const byte = letterToByte.get(text[i]!)
    if (byte === undefined) return undefined
    bytes[i] = byte
  }
  return bytes
}
