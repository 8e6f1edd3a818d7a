import { fnv1a, mergeHashOf, noSymbol } from './blob.ts'
import type { MergeTable } from './mergeTable.ts'

/** The blob's section `pieceHash`: symbols by their bytes. */
export function pieceHash({ symbols }: MergeTable): Uint32Array {
  const taken = new Set<string>()
  const entries = symbols.flatMap(({ key, bytes }, id) => {
    if (key === null || taken.has(key)) return []
    taken.add(key)
    return [{ id, hash: fnv1a(bytes) }]
  })
  const slots = new Uint32Array(capacityFor(entries.length)).fill(noSymbol)
  for (const { id, hash } of entries) {
    let at = hash & (slots.length - 1)
    while (slots[at] !== noSymbol) at = (at + 1) & (slots.length - 1)
    slots[at] = id
  }
  return slots
}

/** The blob's section `mergeHash`: merges by the symbols that they join. */
export function mergeHash({ left, right, rank, joined }: MergeTable): Uint32Array {
  const capacity = capacityFor(left.length)
  const slots = new Uint32Array(4 * capacity)
  for (let at = 0; at < capacity; at++) slots[4 * at] = noSymbol
  left.forEach((id, row) => {
    let at = mergeHashOf(id, right[row]!) & (capacity - 1)
    while (slots[4 * at] !== noSymbol) at = (at + 1) & (capacity - 1)
    slots.set([id, right[row]!, rank[row]!, joined[row]!], 4 * at)
  })
  return slots
}

/** The least power of two of which `entries` fill at most half. */
function capacityFor(entries: number): number {
  let capacity = 2
  while (capacity < 2 * entries) capacity *= 2
  return capacity
}
