import type { Random } from './random.ts'

/** A file to mutate, and the places in it that look like fields. */
export interface Specimen {
  readonly bytes: Buffer
  /** Mutations fall before this byte, mostly. */
  readonly headerBytes: number
  /** Offsets of small little-endian 64-bit numbers: most lengths, counts and offsets are among them. */
  readonly fields: readonly number[]
}

const extremes = [
  0n,
  1n,
  2n,
  7n,
  31n,
  0x7fn,
  0xffn,
  0xffffn,
  2n ** 24n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 60n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
]

/** Finds the fields of a file once, so that cases can aim at them. */
export function specimen(bytes: Buffer, headerBytes: number): Specimen {
  const fields: number[] = []
  for (let at = 0; at + 8 <= headerBytes && fields.length < 100_000; at++) {
    if (bytes.readUInt32LE(at + 4) === 0 && bytes.readUInt32LE(at) < 2 ** 24 && bytes[at] !== 0) fields.push(at)
  }
  return { bytes, headerBytes, fields }
}

/**
 * A mutation of the specimen: 1 to 4 flips, extreme numbers, splices and cuts. The result lies in `scratch`, which must
 * be at least twice as long as the specimen, so that a case allocates nothing.
 */
export function mutateBytes({ bytes, headerBytes, fields }: Specimen, random: Random, scratch: Buffer): Buffer {
  bytes.copy(scratch)
  let size = bytes.length
  // Half of all mutations meet the first kilobyte, where the counts are.
  const place = () => {
    const limit = random.pick([Math.min(1024, headerBytes), headerBytes, headerBytes, size])
    return random.below(Math.max(1, Math.min(limit, size)))
  }
  const moves = [
    () => {
      const at = place()
      scratch[at] = scratch[at]! ^ (1 << random.below(8))
    },
    () => {
      scratch[place()] = random.pick([0, 1, 0x7f, 0x80, 0xc0, 0xff, random.below(256)])
    },
    () => {
      const near = random.below(2) ? Math.min(64, fields.length) : fields.length
      const at = fields[random.below(near)] ?? place()
      if (at + 8 <= size) writeNumber(scratch, at, random)
    },
    () => {
      const at = place()
      if (at + 8 <= size) writeNumber(scratch, at, random)
    },
    () => {
      size = random.below(2) ? random.below(size + 1) : Math.max(0, size - random.below(64))
    },
    () => {
      const [from, to] = [place(), place()]
      scratch.copyWithin(to, from, Math.min(size, from + 1 + random.below(64)))
      size = Math.max(size, Math.min(size + 64, to + 64))
    },
    () => {
      // Removes bytes, so that all that follows is out of step.
      const at = place()
      const removed = Math.min(size - at, 1 + random.below(16))
      scratch.copyWithin(at, at + removed, size)
      size -= removed
    },
    () => {
      const at = place()
      const added = 1 + random.below(16)
      scratch.copyWithin(at + added, at, size)
      size += added
    },
  ]
  for (let count = 1 + random.below(4); count > 0 && size > 0; count--) random.pick(moves)()
  return scratch.subarray(0, size)
}

function writeNumber(scratch: Buffer, at: number, random: Random): void {
  const near = scratch.readBigUInt64LE(at) + BigInt(random.below(17) - 8)
  const value = BigInt.asUintN(64, random.below(3) ? random.pick(extremes) : near)
  if (random.below(2)) scratch.writeBigUInt64LE(value, at)
  else scratch.writeUInt32LE(Number(BigInt.asUintN(32, value)), at)
}

const words = ['0', '-1', '1.5', '1e400', '-0', '9007199254740993', '18446744073709551616', '""', 'null', 'true', '[]']
const longWords = ['{}', '[[[[[[[[]]]]]]]]', '"\\ud800"', '"__proto__"', '"../x.safetensors"', '"F64"', '"BF16"', '"a"']

/** A mutation of JSON text that mostly stays JSON: numbers and strings are replaced, moved, or the text is cut. */
export function mutateJson(text: string, random: Random): string {
  let out = text
  for (let count = 1 + random.below(3); count > 0; count--) {
    const tokens = [...out.matchAll(/-?\d+(\.\d+)?|"[^"]*"|[[\]{},:]/g)]
    const token = random.pick(tokens)
    if (!token) return out
    const begin = token.index
    const other = random.pick(tokens)[0]
    const word = random.pick([
      random.pick(words),
      random.pick(words),
      random.pick(longWords),
      other,
      '',
      token[0] + other,
    ])
    out = out.slice(0, begin) + word + out.slice(begin + token[0].length)
    if (random.below(40) === 0) out = out.slice(0, random.below(out.length + 1))
  }
  return out
}
