import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// In a fresh clone nobody knows how long a file takes: these begin first, so that no worker is left with one at the end.
const longest = ['conformance/kernels', 'parity/golden', 'cli/train', 'cli/built', 'conformance/', 'parity/', 'cli/']

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rankOf = ({ moduleId }: TestSpecification) => {
      const rank = longest.findIndex((part) => moduleId.includes(`/tests/${part}`))
      return rank < 0 ? longest.length : rank
    }
    return (await super.sort(files)).toSorted((a, b) => rankOf(a) - rankOf(b))
  }
}

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'tests/**/*.test.ts'],
    setupFiles: ['tests/equalArrays.ts'],
    testTimeout: 120_000,
    hookTimeout: 240_000,
    // Three processes load the modules once, and keep what the engine has compiled of them: one works where the others wait.
    pool: 'forks',
    maxWorkers: 3,
    isolate: false,
    // What a test makes is mostly gone when it ends: a larger nursery is collected less often.
    execArgv: ['--max-semi-space-size=64'],
    sequence: { sequencer: LongestFirst },
    // What tests compile is kept with the packages and not among the user's own builds.
    env: { CK_CACHE: fileURLToPath(new URL('node_modules/.cache/ck', import.meta.url)) },
  },
})
