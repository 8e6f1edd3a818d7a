import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ck, openCk } from './ck.ts'

let ck: Ck
beforeAll(() => {
  ck = openCk()
})
afterAll(() => ck.remove())

const read = (...path: string[]) =>
  JSON.parse(readFileSync(join(ck.folder, ...path), 'utf8')) as Record<string, unknown>

describe('ck init', () => {
  it('writes a folder that ck runs, and says what it is', async () => {
    const sizes = '--vocab 300 --dim 32 --layers 2 --hidden 48 --heads 4 --kv-heads 2 --context-len 64'.split(' ')
    const { code, stdout, stderr } = await ck(['init', '--template', 'qwen3', ...sizes, '-o', 'fresh'], {
      cwd: ck.folder,
    })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toBe(
      'fresh: qwen3, 25,152 parameters: vocabulary 300, dim 32, layers 2, hidden 48, heads 4 (2 of keys and values) of 8, ' +
        'context 64\n',
    )
    expect(read('fresh', 'config.json')).toMatchObject({ model_type: 'qwen3', hidden_size: 32, intermediate_size: 48 })
    const logits = join(ck.folder, 'logits')
    const given = ['--ids', '1,2,299', '--mode', 'interpret', '-o', logits]
    const run = await ck.here(['logits', join(ck.folder, 'fresh'), ...given])
    expect(run.code, run.stderr).toBe(0)
  })

  it('takes the vocabulary and the end of texts from a tokenizer', async () => {
    writeFileSync(join(ck.folder, 'text.txt'), 'to be or not to be\n')
    const special = ['--special', '<|endoftext|>']
    await ck(['tokenizer', 'train', 'text.txt', '--vocab', '260', ...special, '-o', 't.json'], { cwd: ck.folder })
    const parameters = [
      'init',
      '--template',
      'llama',
      '--tokenizer',
      't.json',
      '--hidden',
      '64',
      '-o',
      'named',
      '--json',
    ]
    const { code, stdout, stderr } = await ck(parameters, { cwd: ck.folder })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject({ template: 'llama', vocabulary: 260, dim: 64, ffn: 64 })
    expect(read('named', 'config.json')).toMatchObject({ eos_token_id: 0, hidden_size: 64 })
    const ids = await ck.here(['tokenize', join(ck.folder, 'named'), '--text', 'to be'])
    expect(ids.code, ids.stderr).toBe(0)
  })

  it.each([
    [['--vocab', '9'], /^ck: required option '--template <name>' not specified; /],
    [['--template', 'qwen3'], /^ck: --vocab is ''; accepted: a whole number of at least 1, or --tokenizer\n$/],
    [
      ['--template', 'quen3', '--vocab', '9'],
      /^ck: --template is 'quen3'; accepted: 'qwen3'\? \(of llama, mistral, .*\)\n$/,
    ],
    [
      ['--template', 'qwen3', '--vocab', '9', '--heads', '4', '--kv-heads', '3'],
      /^ck: --kv-heads is '3'; accepted: a divisor /,
    ],
    [
      ['--template', 'qwen3', '--vocab', '9', '--window', '3'],
      /^ck: --window is '3'; accepted: nothing: this family has no windows\n$/,
    ],
    [
      ['--template', 'qwen3', '--vocab', '9', '--init', 'zeros'],
      /^ck: --init is 'zeros'; accepted: normal, truncated_normal, /,
    ],
  ])('refuses %j with code 2 and one sentence', async (parameters, sentence) => {
    const { code, stdout, stderr } = await ck(['init', ...parameters, '-o', 'none'], { cwd: ck.folder })
    expect(stderr).toMatch(sentence)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(existsSync(join(ck.folder, 'none'))).toBe(false)
  })
})
