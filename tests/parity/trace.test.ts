import { describe, expect, it } from 'vitest'
import { resolveTarget } from '../../src/build/targets.ts'
import { planModel } from '../../src/compile.ts'
import type { Checkpoint, TensorRecord } from '../../src/formats/checkpoint.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { compareTrace, describeDivergence, type ParityReport } from '../../src/parity/compareTrace.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { build, readGolden } from './golden.ts'

/** Builds a golden with taps, runs one step and compares; `seen` is what the comparison believes the checkpoint to be. */
async function trace(
  name: string,
  seen: (checkpoint: Checkpoint) => Checkpoint = (same) => same,
): Promise<ParityReport> {
  const golden = readGolden(name)
  const options = { trace: true, prefillTokens: golden.ids.length }
  const built = await build(golden.checkpoint, options)
  const session = built.session({ threads: 2 })
  await session.logits(golden.ids)
  const checkpoint = seen(openCheckpoint(golden.checkpoint))
  const model = readModel(checkpoint)
  const target = resolveTarget(undefined)
  const { graph, source } = planModel(checkpoint, model, target, options)
  const report = await compareTrace({
    checkpoint,
    model,
    graph,
    program: source.programs[0]!,
    plan: source.plan,
    isa: target.isa,
    ids: golden.ids,
    peek: async (offset, bytes) => session.peek(offset, bytes),
  })
  return report
}

/** The checkpoint with one bit pattern of one tensor changed. */
function tampered(checkpoint: Checkpoint, name: string, change: (bytes: Uint8Array) => void): Checkpoint {
  return {
    ...checkpoint,
    path: checkpoint.path,
    description: checkpoint.description,
    architecture: checkpoint.architecture,
    name: checkpoint.name,
    tensors: checkpoint.tensors,
    fingerprint: () => checkpoint.fingerprint(),
    close: () => checkpoint.close(),
    read(tensor: TensorRecord, from?: number, bytes?: number) {
      const data = checkpoint.read(tensor, from, bytes)
      if (tensor.name === name) change(data)
      return data
    },
  }
}

describe('op by op', () => {
  it.each([
    'llama',
    'qwen3',
    'gguf-llama-llama3-f32',
    'gguf-qwen3-bf16',
    'gguf-llama-q8_0',
    'gguf-llama-q4_1-q5',
    'gguf-llama-q4_K_m',
    'qwen35',
  ])('every op of %s is within its tolerance', async (name) => {
    const report = await trace(name)
    expect(report.firstDivergence && describeDivergence(report.firstDivergence)).toBeUndefined()
    const ops = new Set(report.ops.map(({ op }) => op))
    expect([...ops]).toEqual(expect.arrayContaining(['embedding', 'linear', 'rope', 'cacheWrite', 'cachedAttention']))
    const logits = report.ops.at(-1)!
    expect(logits.value).toBe('logits')
    expect(logits.gathered!.nmse).toBeLessThan(readGolden(name).isQuantised ? 2e-3 : 1e-9)
  })

  it('names the first op whose numbers part', async () => {
    const report = await trace('gguf-llama-f32', (checkpoint) =>
      tampered(checkpoint, 'blk.1.ffn_down.weight', (bytes) =>
        new DataView(bytes.buffer, bytes.byteOffset).setFloat32(4 * 3, 2, true),
      ),
    )
    expect(report.firstDivergence).toMatchObject({ op: 'linear', value: 'blk.1.ffn_down' })
    expect(report.firstDivergence!.own.worst.element).toBe(0)
    expect(describeDivergence(report.firstDivergence!)).toMatch(
      /^blk\.1\.ffn_down \(linear\) is off by .* worst at token \d+, element 0: /,
    )
  })
})
