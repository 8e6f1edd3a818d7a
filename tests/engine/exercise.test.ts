import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { noFutex, scratchFolder, source, writeWeights } from './fixture.ts'

const folder = scratchFolder()
const weights = join(folder.path, 'weights.bump')
const cases = Number(process.env.CK_FUZZ_CASES ?? 2000)

beforeAll(() => {
  writeWeights(weights, { pieces: ['Hello', ' world'] })
})
afterAll(folder.remove)

const sanitizers = {
  'the thread sanitizer': { flags: ['-fsanitize=thread'] },
  'the thread sanitizer, sleeping on condition variables': { flags: ['-fsanitize=thread'], defines: [noFutex] },
  'the address and undefined behaviour sanitizers': {
    flags: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
  },
}

describe('the engine under sanitizers', () => {
  for (const [name, options] of Object.entries(sanitizers)) {
    it(`gives equal bits for every mode, number of threads and neighbour under ${name}`, () => {
      const program = folder.build(join(folder.path, 'exercise'), { ...options, program: source('exercise.c') })
      expect(execFileSync(program, [weights], { encoding: 'utf8' })).toBe('fine\n')
    })
  }

  it(`refuses or survives ${cases} damaged files of saved tokens`, { timeout: 600_000 }, () => {
    const program = folder.build(join(folder.path, 'mutateTokens'), {
      flags: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
      program: source('mutateTokens.c'),
    })
    const output = execFileSync(program, [weights, join(folder.path, 'tokens'), String(cases), '1'], {
      encoding: 'utf8',
    })
    const refused = Number(/^(\d+) refused\n$/.exec(output)?.[1])
    expect(refused).toBeGreaterThan(cases / 2)
    expect(refused).toBeLessThan(cases)
  })

  it(`refuses or survives ${cases} damaged weights files`, { timeout: 600_000 }, () => {
    const program = folder.build(join(folder.path, 'mutate'), {
      flags: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
      program: source('mutateWeights.c'),
    })
    const output = execFileSync(program, [weights, join(folder.path, 'mutated.bump'), String(cases), '1'], {
      encoding: 'utf8',
    })
    const refused = Number(/^(\d+) refused\n$/.exec(output)?.[1])
    expect(refused).toBeGreaterThan(cases / 2)
    expect(refused).toBeLessThan(cases)
  })
})
