import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { compileTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { baseContract, baseTexts, wordSplit } from '../../src/train/tokenizer/baseVocabulary.ts'
import { answers } from '../answers.ts'
import { recorded, writeTexts } from './training.ts'

const engine = fileURLToPath(new URL('../../src/engine/', import.meta.url))
const trainer = fileURLToPath(new URL('../../src/train/tokenizer/', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'ck-sanitized-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const sourcesIn = (place: string, which: RegExp) =>
  readdirSync(place)
    .filter((name) => which.test(name))
    .map((name) => join(place, name))

/** The trainer's program; warnings are errors. */
function build(compiler: string, flags: readonly string[]): string {
  const program = join(folder, 'trainer')
  execFileSync(compiler, [
    ...['-std=c11', '-O1', '-g', '-Wall', '-Wextra', '-Werror', '-pthread', `-I${engine}`, ...flags],
    ...sourcesIn(trainer, /\.c$/),
    ...sourcesIn(engine, /^(tokenizer_\w+|mapping|refuse|utf8)\.c$/),
    ...['-lm', '-o', program],
  ])
  return program
}

const ways = [
  { compiler: 'gcc', flags: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'] },
  { compiler: 'clang', flags: ['-fsanitize=thread'] },
].map((way) => ({ ...way, missing: answers(way.compiler) ? '' : ' (is not installed)' }))

describe.each(ways)('the trainer built by $compiler$missing with $flags', ({ compiler, flags, missing }) => {
  it.skipIf(missing)('learns the same merges on any number of threads, and reads the texts back', () => {
    const program = build(compiler, flags)
    const tables = join(folder, 'tables')
    const special = ['<|endoftext|>', 'ab']
    writeFileSync(tables, compileTokenizer(baseContract(baseTexts(special), new Set(special), wordSplit('starcoder')!)))
    const learn = (files: readonly string[], threads: number): Buffer => {
      const merges = join(folder, 'merges')
      execFileSync(program, ['learn', tables, `${threads}`, '500', '0', merges, ...files])
      return readFileSync(merges)
    }
    const names = ['runs of letters', 'control characters', 'mixed, gpt2', 'several blocks', 'one run of a letter']
    for (const name of names) {
      const files = writeTexts(recorded.cases.find((row) => row.name === name)!, folder)
      const merges = learn(files, 1)
      expect(merges.length).toBeGreaterThan(12 * 16)
      expect(learn(files, 3).equals(merges)).toBe(true)
      execFileSync(program, ['check', tables, '3', '1000000', ...files])
    }
    expect(learn([], 2).length).toBe(0)
    const bad = join(folder, 'bad')
    writeFileSync(bad, Buffer.concat([Buffer.alloc(2 ** 21, 'word\n'), Buffer.from([0xe2, 0x82])]))
    expect(() =>
      execFileSync(program, ['learn', tables, '3', '500', '0', join(folder, 'none'), bad], { stdio: 'pipe' }),
    ).toThrow(/bad at byte 2097152: 0xE2 is no UTF-8/)
  })
})
