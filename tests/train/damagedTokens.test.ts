import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import { CkError } from '../../src/base/errors.ts'
import { memorySource } from '../../src/formats/byteSource.ts'
import { TokenFile } from '../../src/train/data/tokenFile.ts'
import { tokenHeaderBytes } from '../../src/train/data/tokenFormat.ts'
import { seededRandom } from '../conformance/random.ts'
import { mutateBytes, specimen } from '../fuzz/mutateBytes.ts'
import { seededRandom as fuzzRandom } from '../fuzz/random.ts'
import { madeDocuments, writeDataSet } from './fixture.ts'

const cases = 4000

/** Reads all that a file has; false where it is refused in a sentence. */
function isRead(bytes: Uint8Array, seed: number): boolean {
  try {
    const file = new TokenFile(memorySource('m.bin', bytes))
    const { tokens } = file.header
    for (let at = 0; at < tokens; at += 100) file.read(at, Math.min(100, tokens - at))
    let sum = 0
    for (const document of file.documents()) sum += document.tokens
    expect(sum).toBe(tokens)
    return true
  } catch (error) {
    if (error instanceof CkError && !/undefined|NaN/.test(error.message)) return false
    throw new Error(`seed ${seed}: neither read nor refused`, { cause: error })
  }
}

it(`token files: ${cases} damaged ones are read or refused`, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ck-tokens-'))
  const documents = madeDocuments(seededRandom(1), { documents: 60, longest: 20, isMasked: true })
  await writeDataSet(dir, documents, documents.slice(0, 1))
  const bytes = readFileSync(join(dir, 'train.bin'))
  rmSync(dir, { recursive: true })
  expect(isRead(bytes, 0)).toBe(true)
  const subject = specimen(bytes, tokenHeaderBytes)
  const scratch = Buffer.alloc(2 * bytes.length + 4096)
  let read = 0
  for (let seed = 1; seed <= cases; seed++) {
    const random = fuzzRandom(seed)
    const mutated = mutateBytes(subject, random, scratch)
    // With a checksum that fits, the checks behind it are reached.
    if (mutated.length >= tokenHeaderBytes && random.below(4) > 0) {
      mutated.writeUInt32LE(crc32(mutated.subarray(0, tokenHeaderBytes - 4)), tokenHeaderBytes - 4)
    }
    if (isRead(mutated, seed)) read++
  }
  expect(read).toBeGreaterThan(cases / 100)
  expect(read).toBeLessThan(cases / 2)
})
