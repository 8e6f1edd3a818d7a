import { afterAll, describe, expect, it } from 'vitest'
import { blobSections, headerBytes } from '../../src/tokenizer/blob.ts'
import type { TokenizerContract } from '../../src/tokenizer/contract.ts'
import { compileTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { buildDriver, idBytes } from './driver.ts'
import { type Random, randomText, seeded } from './randomText.ts'
import { byteContract, characterContract, unigramContract, wordpieceContract } from './smallContracts.ts'

const cases = Number(process.env.CK_FUZZ_CASES ?? 2400)
const built = buildDriver()
afterAll(() => built.close())

/** Some bytes of the header, of one section, or a stretch of one set to edges or at random; sometimes the end is cut off. */
function mutation(random: Random, blob: Uint8Array) {
  const view = new DataView(blob.buffer)
  const edges = [0, 1, 2, 7, 8, 0x7f, 0x80, 0xfe, 0xff]
  const changes: [number, number][] = []
  const section = headerBytes - 16 * (1 + random(blobSections.length))
  const first = Number(view.getBigUint64(section, true))
  const bytes = Number(view.getBigUint64(section + 8, true))
  for (let count = 1 + random(4); count > 0; count--) {
    const inHeader = random(4) === 0 || bytes === 0
    // Automata and rows lie behind larger tables of characters.
    const from = random(2) === 0 ? 0 : bytes - Math.ceil(bytes / 40)
    const at = inHeader ? random(headerBytes) : first + from + random(bytes - from)
    const stretch = inHeader ? 1 + random(4) : [1, 4, 600][random(3)]!
    for (let i = 0; i < stretch; i++)
      changes.push([at + i, random(2) === 0 ? edges[random(edges.length)]! : random(256)])
  }
  return { cut: random(8) === 0 ? random(blob.length) : blob.length, changes }
}

const kinds: { readonly [name: string]: TokenizerContract } = {
  bytes: { ...byteContract(seeded(1)), steps: [{ step: 'form', form: 'NFC' }] },
  characters: characterContract(seeded(2)),
  'characters without byte tokens': { ...characterContract(seeded(3), false), cutAtSpaces: true },
  'pieces with scores': unigramContract(seeded(4)),
  'pieces with scores and bytes': unigramContract(seeded(5), true),
  'pieces of words': wordpieceContract(seeded(6)),
}

describe('a damaged blob', () => {
  for (const [name, contract] of Object.entries(kinds)) {
    it(`of a tokenizer of ${name} is refused or works, and nothing outside it is read`, () => {
      const random = seeded(cases)
      const blob = compileTokenizer(contract)
      const driver = built.open(blob)
      const count = Math.ceil(cases / Object.keys(kinds).length)
      let refused = 0
      for (let done = 0; done < count; done += 500) {
        const batch = Array.from({ length: Math.min(500, count - done) }, () => mutation(random, blob))
        for (const { status, bytes } of driver.mutate(batch)) {
          if (status === 0) continue
          refused++
          expect(bytes.toString()).toMatch(/^the tokenizer's tables are damaged: the blob .+; accepted: /)
        }
      }
      expect(refused).toBeGreaterThan(count / 4)
      expect(refused).toBeLessThan(count)
    })
  }

  it('is refused at every length but its own', () => {
    const blob = compileTokenizer(characterContract(seeded(2)))
    const cuts = Array.from({ length: 300 }, (_, i) => ({
      cut: i < 270 ? i : blob.length - 1 - (i - 270),
      changes: [],
    }))
    expect(
      built
        .open(blob)
        .mutate(cuts)
        .every(({ status }) => status !== 0),
    ).toBe(true)
  })
})

describe('arguments of the C tokenizer', () => {
  const driver = built.open(compileTokenizer(byteContract(seeded(1))))
  it.each([
    ['E' as const, 4, new Uint8Array(0), 'accepted: 0 to 3'],
    ['D' as const, 0, idBytes([-1]), 'token id -1 at position 0'],
    ['D' as const, 0, idBytes([0, 1 << 30]), 'at position 1'],
  ])('%s with %d is refused with a sentence', (operation, argument, payload, message) => {
    const [reply] = driver.request([{ operation, argument, payload }])
    expect(reply!.status).not.toBe(0)
    expect(reply!.bytes.toString()).toContain(message)
  })

  it.each(Object.keys(kinds))('are never looked at beyond a text of any length: %s', (name) => {
    const driver = built.open(compileTokenizer(kinds[name]!))
    const random = seeded(4)
    const texts = Array.from({ length: 300 }, () => Buffer.from(randomText(random, 40)))
    // Cut in the middle of characters.
    const cut = texts.map((text) => text.subarray(random(4), Math.max(0, text.length - random(4))))
    expect(driver.decode(driver.encode(cut)).length).toBe(cut.length)
  })
})
