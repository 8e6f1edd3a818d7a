import { describe, expect, it } from 'vitest'
import { parseGraph } from '../../src/ir/parse.ts'
import { printGraph } from '../../src/ir/print.ts'
import { verifyGraph } from '../../src/ir/verify.ts'
import { ops } from '../../src/ops/registry.ts'
import { chooseDtypes } from '../../src/passes/chooseDtypes.ts'
import { type OptimizeOptions, optimize, passes } from '../../src/passes/optimize.ts'
import { quantizeActivations } from '../../src/passes/quantizeActivations.ts'
import { randomGraph } from './randomGraph.ts'
import { distance, randomSources, runGraph } from './runGraph.ts'

const tokens = 5
const seeds = Array.from({ length: 40 }, (_, seed) => seed)
const options: OptimizeOptions = { cache: { context: 64, sequences: 1, dtype: 'f32' }, strict: true }

describe('on random graphs', () => {
  it('the text form is read back as the same graph', () => {
    for (const seed of seeds) {
      const graph = randomGraph(seed)
      expect(parseGraph(printGraph(graph)), `seed ${seed}`).toEqual(graph)
      const optimized = optimize(graph, { ...options, strict: false })
      expect(parseGraph(printGraph(optimized)), `seed ${seed} optimized`).toEqual(optimized)
    }
  })

  it.each(passes.map(({ name, run }) => [name, run] as const))('%s keeps the meaning', (_name, run) => {
    for (const seed of seeds) {
      // f32 weights, so that quantizeActivations has nothing to round.
      const graph = chooseDtypes(randomGraph(seed), { strict: true })
      const sources = randomSources(graph, seed)
      const after = verifyGraph(run(graph, options), ops)
      expect(distance(runGraph(graph, sources, tokens), runGraph(after, sources, tokens)), `seed ${seed}`).toBeLessThan(
        1e-12,
      )
    }
  })

  it('all passes together keep the meaning', () => {
    for (const seed of seeds) {
      const graph = randomGraph(seed)
      const sources = randomSources(graph, seed)
      const before = runGraph(graph, sources, tokens)
      expect(distance(before, runGraph(optimize(graph, options), sources, tokens)), `seed ${seed}`).toBeLessThan(1e-12)
    }
  })

  it('passes find nothing more to do the second time', () => {
    for (const seed of seeds) {
      const once = optimize(randomGraph(seed), options)
      for (const { name, run } of passes) expect(run(once, options), `${name}, seed ${seed}`).toEqual(once)
    }
  })

  it('equal graphs give equal text', () => {
    for (const seed of seeds.slice(0, 10))
      expect(printGraph(optimize(randomGraph(seed), options))).toBe(printGraph(optimize(randomGraph(seed), options)))
  })
})

it('quantizeActivations moves a product by no more than half a code of 127 per column', () => {
  const graph = parseGraph(`graph product
    input x f32[tokens, 64]
    weight w q8_0[3, 64]
    y: y f32[tokens, 3] = linear(x: x, w: w)
    output y`)
  const sources = randomSources(graph, 1)
  const [before, after] = [graph, quantizeActivations(graph)].map((g) => runGraph(g, sources, tokens).get('y')!)
  const largest = 6
  const bound = (sources.get('w')!.reduce((sum, value) => sum + Math.abs(value), 0) * largest) / 254
  const errors = before!.data.map((value, i) => Math.abs(value - after!.data[i]!))
  expect(Math.max(...errors)).toBeLessThan(bound)
  expect(Math.max(...errors)).toBeGreaterThan(0)
})
