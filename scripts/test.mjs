// `npm test`: installs what is missing, checks types and style, builds, and runs every test. The last line counts them.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installPackages, requireNode, runStep, startStep } from './prepare.mjs'

requireNode()
installPackages()

const node = process.execPath
// The types take as long as the rest together.
const types = startStep(node, 'node_modules/typescript/bin/tsc', '--noEmit')
const checks = {
  style: await startStep(node, 'node_modules/@biomejs/biome/bin/biome', 'check', '.'),
  build: await startStep(node, 'scripts/prepare.mjs'),
  types: await types,
}
const failedChecks = Object.entries(checks).flatMap(([name, code]) => (code === 0 ? [] : [name]))

const dir = mkdtempSync(join(tmpdir(), 'ck-test-'))
try {
  const counts = runTests(join(dir, 'results.json'), process.argv.slice(2))
  for (const name of failedChecks) process.stdout.write(`failed check: ${name}\n`)
  const failed = counts.failed + failedChecks.length
  process.exitCode = failed === 0 && counts.code === 0 ? 0 : 1
  process.stdout.write(`\n${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped\n`)
} finally {
  rmSync(dir, { recursive: true, force: true })
}

/** Vitest over everything, or over what `filters` name; a test file that cannot run counts as one failure. */
function runTests(results, filters) {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`]
  const code = runStep(node, 'node_modules/vitest/vitest.mjs', 'run', ...reporters, ...filters)
  if (!existsSync(results)) return { code, passed: 0, failed: 1, skipped: 0 }
  const report = JSON.parse(readFileSync(results, 'utf8'))
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  )
  return {
    code,
    passed: report.numPassedTests,
    failed: Math.max(report.numFailedTests + broken.length, code === 0 ? 0 : 1),
    skipped: report.numPendingTests + report.numTodoTests,
  }
}
