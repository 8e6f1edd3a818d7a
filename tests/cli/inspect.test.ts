import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseGraph } from '../../src/ir/parse.ts'
import { type Ck, ckHere, data, demo, hasData, openCk, root } from './ck.ts'

let ck: Ck
beforeAll(() => {
  ck = openCk()
})
afterAll(() => ck.remove())

const goldens = join(root, 'tests/parity/goldens')
const checkpoints = [
  demo,
  ...readdirSync(goldens, { recursive: true, encoding: 'utf8' })
    .filter((name) => /(config\.json|model(-00001-of-\d+)?\.gguf)$/.test(name))
    .map((name) => join(goldens, name.replace(/\/config\.json$/, ''))),
]

describe('ck inspect', () => {
  it('describes every checkpoint, without a compiler', async () => {
    expect(checkpoints.length).toBeGreaterThan(10)
    const env = { PATH: ck.folder, CC: '' }
    const wordsOf = (path: string) => ['inspect', path, '--json', '--memory', '--kernels']
    const apart = await ck(wordsOf(demo), { env })
    for (const path of checkpoints) {
      const { code, stdout, stderr } = await ckHere(wordsOf(path), env)
      if (path === demo) expect(apart).toMatchObject({ code, stdout, stderr })
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      const report = JSON.parse(stdout)
      expect(report.parameters).toBeGreaterThan(1000)
      expect(report.refusal).toBeUndefined()
      expect(report.layout.memoryBytes).toBe(report.memory.perContext)
      expect(report.kernels.map(({ mode }: { mode: string }) => mode)).toEqual(['prefill', 'decode'])
      expect(report.kernels[1].total.flops).toBeGreaterThan(report.parameters)
    }
  })

  it('prints the overview of the demo model', async () => {
    const { stdout } = await ck.here(['inspect', demo, '--target', 'x86-64-v3'])
    expect(stdout).toMatch(/^architecture {2}qwen3 \(gguf\)$/m)
    expect(stdout).toMatch(/^parameters {4}3,672,832$/m)
    expect(stdout).toMatch(/^ {2}q8_0 {8}29 tensors, 3.7 MiB$/m)
    expect(stdout).toMatch(/^memory .* per context of 1024 tokens \(x86-64-v3\)$/m)
  })

  it('prints tensors, metadata and graphs that can be read back', async () => {
    const [tensors, metadata, graph, optimized] = await Promise.all(
      [['--tensors'], ['--metadata'], ['--graph'], ['--graph', '--optimized']].map((flags) =>
        ck.here(['inspect', demo, ...flags]),
      ),
    )
    expect(tensors!.stdout).toMatch(/^blk\.0\.attn_q\.weight +q8_0 +\[256, 256\] +\d+ +69632$/m)
    expect(metadata!.stdout).toMatch(/^qwen3\.block_count +4$/m)
    expect(metadata!.stdout).toMatch(/^tokenizer\.ggml\.tokens +\["<\|endoftext\|>", .* 2048 in all\]$/m)
    expect(parseGraph(graph!.stdout).nodes.length).toBeGreaterThan(50)
    expect(parseGraph(optimized!.stdout).nodes.some(({ op }) => op === 'linearGlu')).toBe(true)
  })

  it.skipIf(!hasData)(
    'shows what a file without weights has, and refuses the rest (needs ../shared/data)',
    async () => {
      for (const name of ['llama-spm', 'bert-bge', 'gpt-2']) {
        const path = join(data, 'vocab', `ggml-vocab-${name}.gguf`)
        const [overview, tensors, graph] = await Promise.all(
          [[], ['--tensors'], ['--graph']].map((flags) => ck.here(['inspect', path, ...flags])),
        )
        expect(overview!.code).toBe(0)
        expect(overview!.stdout).toMatch(/^tokenizer +\w+, split [\w-]+, \d+ pieces$/m)
        expect(overview!.stdout).toMatch(/^cannot be built {2}.*; (accepted|this family needs)/m)
        expect(tensors!.code).toBe(0)
        expect(graph!.code).toBe(1)
        expect(graph!.stderr).toMatch(/^ck: .*\n$/)
      }
    },
  )
})
