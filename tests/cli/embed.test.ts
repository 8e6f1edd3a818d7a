import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openCk, root, runProgram } from './ck.ts'

const ck = openCk()
afterAll(() => ck.remove())

const encoder = join(root, 'tests/parity/embeddings/bert')
const decoder = join(root, 'tests/parity/goldens/qwen3')
const length = (values: readonly number[]) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))

describe('ck embed', () => {
  it('prints a vector of length 1, as text and as JSON', async () => {
    const text = await ck.here(['embed', encoder, '--ids', '5,0,102'])
    const values = text.stdout.trim().split(' ').map(Number)
    expect(values).toHaveLength(42)
    expect(length(values)).toBeCloseTo(1, 6)
    const json = await ck.here(['embed', encoder, '--ids', '5,0,102', '-o', 'json'])
    expect(JSON.parse(json.stdout)).toEqual({ model: 'bert', embedding: values })
  })

  it('refuses a model that continues text, a text without a tokenizer, and no input at all', async () => {
    const other = await ck.here(['embed', decoder, '--ids', '1,2'])
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('continues text and gives no embeddings')])
    const text = await ck.here(['embed', encoder, '--text', 'words'])
    expect([text.code, text.stderr]).toEqual([1, expect.stringContaining('has no tokenizer')])
    const none = await ck.here(['embed', encoder])
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('one of --text, --file, --ids')])
  })
})

describe('commands that continue text or score it', () => {
  it.each([
    ['run', ['--ids', '1,2']],
    ['logits', ['--ids', '1,2', '-o', join(ck.folder, 'logits.safetensors')]],
    ['logits', ['--ids', '1,2', '--mode', 'interpret', '-o', join(ck.folder, 'logits.safetensors')]],
    ['parity', ['--ids', '1,2']],
    ['bench', ['-p', '8', '-n', '2', '--repeat', '1']],
  ])('ck %s refuses an encoder in one sentence', async (command, options) => {
    const { code, stdout, stderr } = await ck.here([command, encoder, ...options])
    expect(code).not.toBe(0)
    expect(stdout).toBe('')
    const lines = stderr.trim().split('\n')
    expect(lines.filter((line) => !/^ck: (planning|writing weights|compiling)$/.test(line))).toEqual([
      expect.stringMatching(/encoder/),
    ])
  })
})

describe('the executable of an encoder', () => {
  it('prints the embedding that ck embed prints', async () => {
    const dir = join(ck.folder, 'built')
    expect((await ck.here(['build', encoder, '-o', dir])).code).toBe(0)
    const own = await runProgram(join(dir, 'model'), ['--ids', '5,0,102'], {})
    expect(own.stderr).toBe('')
    const values = own.stdout.trim().split(' ').map(Number).map(Math.fround)
    const { stdout } = await ck.here(['embed', dir, '--ids', '5,0,102', '--json'])
    expect(values).toEqual((JSON.parse(stdout) as { embedding: number[] }).embedding)
  })
})
