import { describe, expect, it } from 'vitest'
import { CkError } from '../../src/base/errors.ts'
import { seededRandom } from './random.ts'
import { type FuzzTarget, hasSharedFiles, readerTargets } from './readers.ts'

/** Cases, and the seed of the first: `CK_FUZZ_CASES=1 CK_FUZZ_FIRST=<seed>` repeats one. */
const cases = Number(process.env.CK_FUZZ_CASES ?? 2000)
const first = Number(process.env.CK_FUZZ_FIRST ?? 1)
const maxMilliseconds = 1000
const maxGrowthBytes = 300 * 2 ** 20

/** Opens or refuses: true, false. Anything else, or a case that takes too long, is an error that names its seed. */
function runCase(target: FuzzTarget, seed: number): boolean {
  const where = `seed ${seed}, ${target.name}`
  const begin = performance.now()
  const use = openOrRefuse(target, seed, where)
  try {
    use?.()
  } catch (error) {
    throw new Error(`${where}: opened, and then could not be read`, { cause: error })
  }
  const milliseconds = performance.now() - begin
  if (milliseconds > maxMilliseconds) throw new Error(`${where}: took ${Math.round(milliseconds)} ms`)
  return use !== undefined
}

function openOrRefuse(target: FuzzTarget, seed: number, where: string): (() => void) | undefined {
  try {
    return target.open(seededRandom(seed))
  } catch (error) {
    if (!(error instanceof CkError)) throw new Error(`${where}: neither opened nor refused`, { cause: error })
    const isSentence = error.message.length < 3000 && !/[\p{Cc}\p{Surrogate}]|undefined|NaN/u.test(error.message)
    if (!isSentence) throw new Error(`${where}: the refusal is no clear sentence`, { cause: error })
    return undefined
  }
}

const files = hasSharedFiles() ? 'of our own and real ones' : 'of our own only (real ones need ../shared/data)'

describe(`the readers, over files ${files},`, () => {
  it(`open or refuse ${cases} damaged files, each quickly and in little memory`, { timeout: 3_600_000 }, () => {
    const targets = readerTargets()
    const choices = targets.flatMap((target) => Array.from({ length: target.weight }, () => target))
    // The mutation's own generator is seeded by the case alone, so the target is drawn by another.
    const choose = (seed: number) => seededRandom(seed ^ 0x5bd1e995).pick(choices)
    const begin = process.memoryUsage.rss()
    let opened = 0
    for (let seed = first; seed < first + cases; seed++) {
      if (runCase(choose(seed), seed)) opened++
      const growth = seed % 50 === 0 ? process.memoryUsage.rss() - begin : 0
      if (growth > maxGrowthBytes) throw new Error(`up to seed ${seed}: memory grew by ${growth} bytes`)
    }
    // Were all of them refused, or none, the mutations would test little.
    if (cases >= 1000) expect(opened).toBeGreaterThan(cases / 100)
    if (cases >= 1000) expect(opened).toBeLessThan(cases / 2)
  })
})
