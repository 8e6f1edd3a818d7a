/** U+2581, by which vocabularies of characters write a space. */
export const spaceMark = '\u2581'

/** A piece's bytes with spaces for U+2581. */
export function withSpaces(bytes: Uint8Array): Uint8Array {
  const out: number[] = []
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === 0xe2 && bytes[i + 1] === 0x96 && bytes[i + 2] === 0x81) {
      out.push(0x20)
      i += 2
    } else out.push(bytes[i]!)
  }
  return Uint8Array.from(out)
}
