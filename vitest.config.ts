import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'tests/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 240_000,
    pool: 'forks',
    maxWorkers: 2,
    // What tests compile is kept with the packages and not among the user's own builds.
    env: { CK_CACHE: fileURLToPath(new URL('node_modules/.cache/ck', import.meta.url)) },
  },
})
