/** A seeded source of whole numbers (mulberry32): the same seed, the same texts. */
export type Random = (below: number) => number

export function seeded(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** Where letters, digits, spaces, marks and symbols of many scripts lie; the last rows are all planes. */
const ranges: readonly (readonly [number, number])[] = [
  [0x20, 0x7e],
  [0x61, 0x7a],
  [0x20, 0x20],
  [0x00, 0x1f],
  [0x30, 0x39],
  [0x80, 0x2ff],
  [0x300, 0x36f],
  [0x370, 0x5ff],
  [0x600, 0xfff],
  [0x1100, 0x11ff],
  [0x2000, 0x206f],
  [0x3000, 0x30ff],
  [0x4e00, 0x9fff],
  [0xac00, 0xd7a3],
  [0xfe00, 0xfeff],
  [0xff00, 0xffff],
  [0x1f300, 0x1faff],
  [0x10000, 0x3ffff],
  [0xe0000, 0x10ffff],
]

/** Up to `characters` random characters of Unicode: words of one range at a time, contractions, runs of white space. */
export function randomText(
  random: Random,
  characters: number,
  accepts: (code: number) => boolean = () => true,
): string {
  const codes: number[] = []
  const count = random(characters + 1)
  while (codes.length < count) {
    if (random(12) === 0) codes.push(...Buffer.from(contractions[random(contractions.length)]!))
    const [first, last] = ranges[random(ranges.length)]!
    for (let run = 1 + random(6); run > 0; run--) {
      const code = first + random(last - first + 1)
      if ((code < 0xd800 || code > 0xdfff) && accepts(code)) codes.push(code)
    }
  }
  return String.fromCodePoint(...codes)
}

const contractions = ["'s", "'RE", " I'll", '  ', '\r\n', '\n\n ', ' \t', '333', 'a', ' b', '\u00a0', '"', '...']

/** Up to `count` random bytes, with stretches of text among them. */
export function randomBytes(random: Random, count: number): Uint8Array {
  return Uint8Array.from({ length: random(count + 1) }, () => (random(2) === 0 ? 0x20 + random(95) : random(256)))
}
