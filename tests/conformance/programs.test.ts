import { beforeAll, describe, expect, it } from 'vitest'
import { numberToBfloat16, numberToHalf, type WeightDtype } from '../../src/base/dtypes.ts'
import { type Graph, valueTypes } from '../../src/ir/graph.ts'
import { isas } from '../../src/kernels/kernel.ts'
import { ops } from '../../src/ops/registry.ts'
import { compareTensors } from '../../src/parity/difference.ts'
import { TraceReader } from '../../src/parity/traceReader.ts'
import { optimize } from '../../src/passes/optimize.ts'
import { foldRepeats } from '../../src/plan/foldRepeats.ts'
import { lower } from '../../src/plan/lower.ts'
import { matchSplits } from '../../src/plan/matchSplits.ts'
import { packWeights } from '../../src/plan/packWeights.ts'
import { type MemoryPlan, planMemory } from '../../src/plan/planMemory.ts'
import { planThreads } from '../../src/plan/planThreads.ts'
import type { Mode, Program } from '../../src/plan/program.ts'
import { verifyProgram } from '../../src/plan/verifyProgram.ts'
import { randomGraph } from '../passes/randomGraph.ts'
import { randomSources, runGraph } from '../passes/runGraph.ts'
import { openKernels } from './buildKernels.ts'
import { findRace } from './findRace.ts'
import type { KernelRunner } from './kernelCall.ts'
import { kernelTargets } from './kernelTargets.ts'
import { runProgram } from './runProgram.ts'

const tokens = 5
const cache = { context: 64, sequences: 1, dtype: 'f32' } as const
const target = kernelTargets.find(({ name }) => name === 'scalar')!
const { lanes } = isas[target.isa]

interface Planned {
  readonly graph: Graph
  readonly plan: MemoryPlan
  readonly programs: readonly Program[]
}

/** The pipeline as compile.ts runs it. */
function planGraph(source: Graph, strict: boolean): Planned {
  const graph = optimize(source, { cache, strict })
  const lowered = (['prefill', 'decode'] as const).map((mode: Mode) => {
    const bounds = mode === 'prefill' ? { tokens: 8, outputs: 8 } : { tokens: 1, outputs: 1 }
    return foldRepeats(matchSplits(lower(graph, ops, { mode, bounds, lanes })))
  })
  const plan = planMemory(lowered)
  return { graph, plan, programs: lowered.map((program) => verifyProgram(planThreads(program, plan), plan)) }
}

const cases = [
  ...Array.from({ length: 60 }, (_, seed) => ({ seed, layers: 1, count: 14 })),
  ...Array.from({ length: 40 }, (_, seed) => ({ seed: 1000 + seed, layers: 3, count: 6 })),
  ...Array.from({ length: 10 }, (_, seed) => ({ seed: 2000 + seed, layers: 2, count: 10 })),
]

describe('programs of random graphs', () => {
  let runner: KernelRunner

  beforeAll(async () => {
    runner = await openKernels(target)
    return () => runner.close()
  })

  it('compute what the graph means', async () => {
    let folded = 0
    for (const { seed, ...size } of cases) {
      const source = randomGraph(seed, size)
      const sources = roundedSources(source, seed)
      const { graph, plan, programs } = planGraph(source, true)
      const program = programs[0]!
      if (program.steps.some(({ kind }) => kind === 'repeat')) folded++
      const memory = new Uint8Array(plan.memoryBytes).fill(0xff)
      const given: { readonly [name: string]: readonly number[] } = {
        ids: Array.from({ length: tokens }, (_, i) => (i * 7) % 19),
        positions: [0, 1, 2, 3, 4],
        output_index: [0, 1, 2, 3, 4],
        sequences: [0, 0, 0, 0, 0],
      }
      for (const buffer of plan.buffers.prefill!.filter(({ region }) => region === 'input'))
        memory.set(new Uint8Array(Int32Array.from(given[buffer.name]!).buffer), buffer.offset)
      const weights = packedWeights(source, sources, plan)
      runProgram(runner, { program, plan, symbols: { tokens, outputs: tokens }, memory, weights, parts: 2 })
      const peek = async (offset: number, bytes: number) => memory.slice(offset, offset + bytes)
      const reader = new TraceReader(graph, program, plan, target.isa, tokens, peek)
      for (const [name, value] of runGraph(source, sources, tokens)) {
        const { nmse } = compareTensors(value, await reader.read(name))
        expect(nmse, `${name} of seed ${seed}`).toBeLessThan(1e-8)
      }
    }
    expect(folded).toBeGreaterThan(20)
  })

  it('never let a part touch what another one has touched since they met', () => {
    for (const { seed, ...size } of cases) {
      const { plan, programs } = planGraph(randomGraph(seed, size), seed % 2 === 0)
      for (const program of programs) {
        for (const parts of [2, 3]) {
          for (const count of new Set([program.bounds.tokens!, Math.ceil(program.bounds.tokens! / 3)]))
            expect(findRace(program, plan, { tokens: count, outputs: count }, parts), `seed ${seed}`).toBeUndefined()
        }
      }
    }
  })
})

/** Weights that f32 holds exactly, and small enough for deep chains. */
function roundedSources(graph: Graph, seed: number): Map<string, Float64Array> {
  return new Map([...randomSources(graph, seed)].map(([name, values]) => [name, values.map(Math.fround)]))
}

function packedWeights(graph: Graph, sources: ReadonlyMap<string, Float64Array>, plan: MemoryPlan): Uint8Array {
  const types = valueTypes(graph)
  const colsOf = (name: string) => Number(types.get(name)!.shape.at(-1))
  const read = (name: string, dtype: WeightDtype, from: number, count: number) => {
    const cols = colsOf(name)
    return encode(sources.get(name)!.subarray(from * cols, (from + count) * cols), dtype)
  }
  const rowsOf = (name: string) => sources.get(name)!.length / colsOf(name)
  return new Uint8Array(Buffer.concat([...packWeights(plan, lanes, rowsOf, read)]))
}

function encode(values: Float64Array, dtype: WeightDtype): Uint8Array {
  if (dtype === 'f32') return new Uint8Array(Float32Array.from(values).buffer)
  return new Uint8Array(Uint16Array.from(values, dtype === 'f16' ? numberToHalf : numberToBfloat16).buffer)
}
