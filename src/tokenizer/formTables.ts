import { contains } from './codeSet.ts'
import type { UnicodeForm } from './normalStep.ts'
import { twoStages } from './splitTables.ts'
import { matching } from './unicodeSets.ts'

/**
 * What C needs to bring text to a normalisation form (Unicode Standard Annex 15), as the blob's step tables. Decompositions,
 * compositions and the order of combining marks are read off this JavaScript engine's `normalize`.
 */
export function formTables(form: UnicodeForm): Uint8Array {
  const marks = orderOfMarks()
  const decomposed = form === 'NFKC' || form === 'NFKD' ? 'NFKD' : 'NFD'
  const composes = form === 'NFC' || form === 'NFKC'
  const expansions: number[][] = []
  const compositions: number[][] = []
  for (let code = 0xa0; code < 0x30000; code++) {
    if (code >= 0xac00 && code < 0xe000) continue
    const text = String.fromCodePoint(code)
    const parts = codesOf(text.normalize(decomposed))
    if (parts.length !== 1 || parts[0] !== code) expansions.push([code, ...parts])
    const canonical = codesOf(text.normalize('NFD'))
    if (!composes || canonical.length < 2 || text.normalize('NFC') !== text) continue
    const before = codesOf(String.fromCodePoint(...canonical.slice(0, -1)).normalize('NFC'))
    if (before.length === 1) compositions.push([before[0]!, canonical.at(-1)!, code])
  }
  compositions.sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]!)
  const classes = classOfCodes(form, marks, expansions, compositions)
  const { blockOf, values } = twoStages(
    Array.from(classes, (_, code) => code),
    classes,
  )
  let first = 0
  const rows = expansions.flatMap(([code, ...parts]) => {
    first += parts.length
    return [code!, first - parts.length, parts.length]
  })
  const parts = expansions.flatMap(([, ...parts]) => parts)
  const numbers = Uint32Array.from([...rows, ...parts, ...compositions.flat()])
  const head = Uint32Array.of(values.length / 256, expansions.length, parts.length, compositions.length)
  return Buffer.concat([head, blockOf, values, numbers].map((part) => Buffer.from(part.buffer)))
}

const codesOf = (text: string) => [...text].map((character) => character.codePointAt(0)!)

/** Code point to its place (from 1) among the canonical combining classes; starters are absent. */
function orderOfMarks(): ReadonlyMap<number, number> {
  const all = matching('\\p{M}')
  const swaps = (a: number, b: number) => {
    const text = String.fromCodePoint(a, b)
    return text.normalize('NFD') === String.fromCodePoint(b, a)
  }
  // U+0334 has the lowest class and U+0345 the highest: a mark that passes neither is a starter.
  const marks: number[] = []
  for (let i = 0; i < all.length; i += 2) {
    for (let code = all[i]!; code <= all[i + 1]!; code++) {
      if (String.fromCodePoint(code).normalize('NFD') !== String.fromCodePoint(code)) continue
      if (code === 0x334 || code === 0x345 || swaps(code, 0x334) || swaps(0x345, code)) marks.push(code)
    }
  }
  marks.sort((a, b) => (swaps(a, b) ? 1 : swaps(b, a) ? -1 : a - b))
  const order = new Map<number, number>()
  let place = 0
  marks.forEach((code, i) => {
    if (i === 0 || swaps(code, marks[i - 1]!)) place++
    order.set(code, place)
  })
  return order
}

function classOfCodes(
  form: UnicodeForm,
  marks: ReadonlyMap<number, number>,
  expansions: readonly number[][],
  compositions: readonly number[][],
): number[] {
  const classes = new Array<number>(0x30000).fill(0)
  for (const [code, ...parts] of expansions) {
    const text = String.fromCodePoint(code!)
    if (text.normalize(form) !== text || marks.has(parts[0]!)) classes[code!] = 254
  }
  for (const [, second] of compositions) classes[second!] = 254
  if (form === 'NFD' || form === 'NFKD') classes.fill(254, 0xac00, 0xd7a4)
  const vowelsAndTails = [0x1161, 0x1175, 0x11a8, 0x11c2]
  for (let code = 0x1161; code <= 0x11c2; code++) if (contains(vowelsAndTails, code)) classes[code] = 254
  for (const [code, order] of marks) classes[code] = order
  return classes
}
