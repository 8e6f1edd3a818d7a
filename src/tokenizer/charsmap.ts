/**
 * SentencePiece's precompiled character map: u32 bytes of a trie, the trie (a Darts double array of u32 units), then the
 * texts that it leads to, each ending with a zero byte.
 */
export interface Charsmap {
  /** The shortest or longest key that begins bytes[from .. end), and its text. */
  find(bytes: Uint8Array, from: number, end: number, longest: boolean): { taken: number; text: string } | undefined
}

/** Reads a character map; a string says what is wrong with it. Every unit and text that a key can reach is checked. */
export function readCharsmap(charsmap: Uint8Array): Charsmap | string {
  const view = new DataView(charsmap.buffer, charsmap.byteOffset, charsmap.byteLength)
  if (charsmap.length < 4) return 'it is shorter than its length'
  const trieBytes = view.getUint32(0, true)
  if (trieBytes === 0 || trieBytes % 4 !== 0 || trieBytes >= charsmap.length - 4) {
    return `its trie has ${trieBytes} bytes of ${charsmap.length}`
  }
  const units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) => view.getUint32(4 + 4 * i, true))
  const texts = Buffer.from(charsmap.subarray(4 + trieBytes))
  const wrong = findFault(units, texts)
  if (wrong !== undefined) return wrong
  return {
    find(bytes, from, end, longest) {
      let found: { taken: number; value: number } | undefined
      let node = offsetOf(units[0]!)
      for (let i = from; i < end; i++) {
        node ^= bytes[i]!
        const unit = units[node]
        if (unit === undefined || labelOf(unit) !== bytes[i]) break
        node ^= offsetOf(unit)
        if (!hasLeaf(unit)) continue
        found = { taken: i + 1 - from, value: units[node]! & 0x7fffffff }
        if (!longest) break
      }
      return found && { taken: found.taken, text: textAt(texts, found.value) }
    },
  }
}

const offsetOf = (unit: number) => ((unit >>> 10) << ((unit & (1 << 9)) >>> 6)) >>> 0
const labelOf = (unit: number) => (unit & 0x800000ff) >>> 0
const hasLeaf = (unit: number) => (unit & 0x100) !== 0
const textAt = (texts: Buffer, at: number) => texts.toString('utf8', at, texts.indexOf(0, at))

function findFault(units: Uint32Array, texts: Buffer): string | undefined {
  if (texts.at(-1) !== 0) return 'its last text does not end'
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    decoder.decode(texts)
  } catch {
    return 'its texts are not UTF-8'
  }
  // Nodes by what follows a key so far; equal ones are shared, and none may lead back to itself.
  const open = 1
  const done = 2
  const state = new Uint8Array(units.length)
  const stack: { base: number; next: number }[] = [{ base: offsetOf(units[0]!), next: 0 }]
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!
    if (top.next === 0 && state[top.base] === done) {
      stack.pop()
      continue
    }
    if (top.base >= units.length) return 'its trie leads out of itself'
    if (top.next === 0) {
      if (state[top.base] === open) return 'its trie leads back to itself'
      state[top.base] = open
    }
    let pushed = false
    while (top.next < 256 && !pushed) {
      const byte = top.next++
      const at = top.base ^ byte
      const unit = units[at]
      if (byte === 0 || unit === undefined || labelOf(unit) !== byte) continue
      const base = at ^ offsetOf(unit)
      if (hasLeaf(unit)) {
        const value = units[base]
        if (value === undefined || (value & 0x7fffffff) >= texts.length)
          return 'a key leads to a text that is not there'
      }
      stack.push({ base, next: 0 })
      pushed = true
    }
    if (pushed) continue
    state[top.base] = done
    stack.pop()
  }
  return undefined
}
