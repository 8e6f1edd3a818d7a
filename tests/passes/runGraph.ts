import { elementsFrom, type Graph } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { type Tensor, tensor } from '../../src/ir/tensor.ts'
import { ops } from '../../src/ops/registry.ts'
import { seededRandom } from '../conformance/random.ts'
import { bindShape } from './randomGraph.ts'

/** The values of a graph's weights by source name, random, on which every rewriting of the graph can be run. */
export function randomSources(graph: Graph, seed: number): Map<string, Float64Array> {
  const random = seededRandom(seed)
  const sources = new Map<string, Float64Array>()
  for (const { name, type, sources: parts } of graph.weights) {
    if (parts.length !== 1 || parts[0] !== name) throw new Error(`${name} is stacked already`)
    sources.set(
      name,
      Float64Array.from({ length: elementsFrom(type.shape, 0) }, () => random.normal() / 3),
    )
  }
  return sources
}

/**
 * Runs a graph in float64 on `tokens` tokens at positions 0, 1, 2 ... of sequence 0 with empty caches. Inputs that no name
 * here decides are random.
 */
export function runGraph(
  graph: Graph,
  sources: ReadonlyMap<string, Float64Array>,
  tokens: number,
): Map<string, Tensor> {
  const states = new Set(graph.states.map(({ name }) => name))
  const weights = new Map(graph.weights.map((weight) => [weight.name, weight]))
  return interpret(graph, ops, {
    given: (name, type) => {
      const shape = bindShape(type.shape, { tokens, outputs: tokens })
      const weight = weights.get(name)
      if (weight)
        return tensor(
          shape,
          weight.sources.flatMap((source) => [...sources.get(source)!]),
        )
      if (states.has(name)) return tensor(shape)
      const elements = shape.reduce((product, dim) => product * dim, 1)
      return tensor(
        shape,
        Array.from({ length: elements }, (_, i) => inputValue(name, i)),
      )
    },
  })
}

function inputValue(name: string, i: number): number {
  if (name === 'positions' || name === 'output_index') return i
  if (name === 'sequences') return 0
  if (name === 'ids') return (i * 7) % 19
  return seededRandom(i + 31 * name.length + name.charCodeAt(0)).normal()
}

/** Largest difference of two runs, relative to the largest magnitude of each output. */
export function distance(a: ReadonlyMap<string, Tensor>, b: ReadonlyMap<string, Tensor>): number {
  if ([...a.keys()].join() !== [...b.keys()].join()) return Number.POSITIVE_INFINITY
  let worst = 0
  for (const [name, { shape, data }] of a) {
    const other = b.get(name)!
    if (shape.join() !== other.shape.join()) return Number.POSITIVE_INFINITY
    const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1
    data.forEach((value, i) => {
      const error = Math.abs(value - other.data[i]!) / largest
      worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error)
    })
  }
  return worst
}
