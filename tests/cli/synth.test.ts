import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RecipeName } from '../../src/quantize/recipes.ts'
import { type Ck, openCk } from './ck.ts'

let ck: Ck
beforeAll(() => {
  ck = openCk()
})
afterAll(() => ck.remove())

async function synth(name: string, format: RecipeName, ...more: readonly string[]): Promise<string> {
  const path = join(ck.folder, `${name}.gguf`)
  const { code, stderr } = await ck(['synth', '--shape', 'tiny', '--format', format, '-o', path, ...more])
  expect({ code, stderr }).toEqual({ code: 0, stderr: 'ck: quantising\n' })
  return path
}

describe('ck synth', () => {
  it.each(['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_k_m'] as const)(
    'writes a model in %s that loads and runs',
    async (format) => {
      const path = await synth(format, format)
      const { stdout } = await ck(['inspect', path, '--json'])
      const report = JSON.parse(stdout)
      expect(report).toMatchObject({
        architecture: 'qwen3',
        vocabulary: 512,
        layers: 2,
        context: 256,
        parameters: 164288,
      })
      expect(report.refusal).toBeUndefined()
      expect(report.dtypes.map((row: { dtype: string }) => row.dtype)).toContain(
        // Rows of 64 values are too narrow for blocks of 256.
        format === 'q4_k_m' ? 'q5_0' : format,
      )
      const run = await ck(['run', path, '-p', 'Hello there', '-n', '4', '--temp', '0', '--ignore-eos', '--json'])
      expect(run.code, run.stderr).toBe(0)
      expect(JSON.parse(run.stdout)).toMatchObject({ promptTokens: 11, tokens: 4 })
    },
  )

  it('has a tokenizer that gives back every text', async () => {
    const path = await synth('tokenizer', 'q8_0')
    const text = 'Grüße, 世界!\n\t'
    const ids = await ck(['tokenize', path, '--text', text, '--json'])
    const list = ids.stdout.match(/\d+/g)!.join()
    const back = await ck(['tokenize', path, '--decode', '--text', list, '--json'])
    expect(JSON.stringify(JSON.parse(back.stdout))).toContain(JSON.stringify(text).slice(1, -1))
  })

  it('gives the same bytes for the same seed with any number of threads, and others for another', async () => {
    const files = await Promise.all([
      synth('default', 'q4_0', '--threads', '1'),
      synth('one', 'q4_0', '--seed', '1', '--threads', '3'),
      synth('two', 'q4_0', '--seed', '2'),
      synth('most', 'q4_0', '--seed', '18446744073709551615'),
    ])
    const [byDefault, one, two, most] = files.map((path) => readFileSync(path))
    expect(byDefault!.equals(one!)).toBe(true)
    expect(one!.equals(two!)).toBe(false)
    expect(one!.equals(most!)).toBe(false)
  })

  it.each([
    [['--shape', 'gpt-5', '--format', 'q8_0', '-o', 'x'], /^ck: --shape is 'gpt-5'; accepted: qwen3-0.6b, .*tiny\n$/],
    [['--shape', 'tiny', '--format', 'q9', '-o', 'x'], /^ck: --format is 'q9'; accepted: f32, f16, bf16, .*\n$/],
    [['--shape', 'tiny', '-o', 'x'], /^ck: required option '--format <name>' not specified; .*\n$/],
    [['--shape', 'tiny', '--format', 'q8_0'], /^ck: required option '-o, --out <path>' not specified; .*\n$/],
  ])('refuses %j', async (parameters, sentence) => {
    const { code, stdout, stderr } = await ck(['synth', ...parameters], { cwd: ck.folder })
    expect(stderr).toMatch(sentence)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(existsSync(join(ck.folder, 'x'))).toBe(false)
  })

  it('names a place that cannot be written', async () => {
    const { code, stderr } = await ck(['synth', '--shape', 'tiny', '--format', 'f16', '-o', '/dev/null/x'])
    expect(stderr).toBe('ck: /dev/null/x: cannot be written (ENOTDIR); nothing was left behind\n')
    expect(code).toBe(1)
  })
})
