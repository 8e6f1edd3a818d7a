import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { resolveTarget } from '../../src/build/targets.ts'
import { planModel } from '../../src/compile.ts'
import { printJson, printLayout, printThreads } from '../../src/emit/artifacts.ts'
import { printModel } from '../../src/emit/printModel.ts'
import { printModelHeader } from '../../src/emit/printModelHeader.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { printGraph } from '../../src/ir/print.ts'
import { printHeader } from '../../src/kernels/printHeader.ts'
import { familyNames } from '../../src/kernels/registry.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { answers } from '../answers.ts'
import { countBarriers, findRace, withoutBarrier } from '../conformance/findRace.ts'

const checkpoints = fileURLToPath(new URL('../parity/goldens/', import.meta.url))

/** Everything between checkpoint and compiler that a person can read, by file name. */
function artifactsOf(checkpointPath: string): { [file: string]: string } {
  const checkpoint = openCheckpoint(checkpointPath)
  try {
    const model = readModel(checkpoint)
    const options = { target: 'x86-64-v3', prefillTokens: 8 }
    const { graph, source } = planModel(checkpoint, model, resolveTarget('x86-64-v3'), options)
    return {
      'ir1.txt': printGraph(model.graph),
      'ir1_optimized.txt': printGraph(graph),
      'lowered_prefill.json': printJson(source.programs[0]),
      'layout.json': printLayout(source),
      'threads.json': printThreads(source),
      'model.c': printModel(source),
      'model.h': printModelHeader(source),
    }
  } finally {
    checkpoint.close()
  }
}

// Written by `npx vitest run tests/golden -u`: read the difference before you commit it.
describe.each([
  ['llama', 'llama/'],
  ['llama-q8_0', 'gguf-llama-q8_0/model.gguf'],
  ['qwen3', 'qwen3/'],
])('%s', (name, checkpoint) => {
  const artifacts = artifactsOf(checkpoints + checkpoint)

  it.each(Object.keys(artifacts))('%s is what people have read', async (file) => {
    await expect(artifacts[file]).toMatchFileSnapshot(`${name}/${file}`)
  })

  it('is the same when made twice', () => {
    expect(artifactsOf(checkpoints + checkpoint)).toEqual(artifacts)
  })

  it('fits a page of 120 columns in C', () => {
    for (const file of ['model.c', 'model.h'])
      expect(
        artifacts[file]!.split('\n').filter((line) => line.length > 120),
        file,
      ).toEqual([])
  })
})

it.each(['llama/', 'qwen3/', 'gguf-llama-q8_0/model.gguf'])(
  'threads of %s never race, and every barrier is needed',
  (path) => {
    const checkpoint = openCheckpoint(checkpoints + path)
    try {
      const options = { target: 'x86-64-v3', prefillTokens: 6, context: 64 }
      const { source } = planModel(checkpoint, readModel(checkpoint), resolveTarget('x86-64-v3'), options)
      const [prefill] = source.programs
      for (const program of source.programs) {
        const { tokens = 1, outputs = 1 } = program.bounds
        expect(findRace(program, source.plan, { tokens, outputs }, 3)).toBeUndefined()
      }
      for (let which = 0; which < countBarriers(prefill!); which++)
        expect(findRace(withoutBarrier(prefill!, which), source.plan, { tokens: 6, outputs: 6 }, 3)).toBeDefined()
    } finally {
      checkpoint.close()
    }
  },
)

const compiler = process.env.CC ?? 'cc'

it.skipIf(!answers(compiler))(
  `model.c compiles without a warning whatever the model is called (needs ${compiler})`,
  () => {
    const checkpoint = openCheckpoint(`${checkpoints}llama/`)
    const dir = mkdtempSync(join(tmpdir(), 'ck-golden-'))
    try {
      const { source } = planModel(checkpoint, readModel(checkpoint), resolveTarget('scalar'), { target: 'scalar' })
      const name = '*/ int x; /* /*/ ??/\n\u202e "quoted" \\'
      writeFileSync(join(dir, 'model.c'), printModel({ ...source, name }))
      writeFileSync(join(dir, 'model.h'), printModelHeader(source))
      for (const family of familyNames) writeFileSync(join(dir, `${family}.h`), printHeader(family))
      const engine = fileURLToPath(new URL('../../src/engine', import.meta.url))
      const flags = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-fsyntax-only', `-I${engine}`, 'model.c']
      const { stderr, status } = spawnSync(compiler, flags, { cwd: dir, encoding: 'utf8' })
      expect(stderr).toBe('')
      expect(status).toBe(0)
    } finally {
      checkpoint.close()
      rmSync(dir, { recursive: true, force: true })
    }
  },
)
