import { GraphBuilder } from '../ir/build.ts'
import type { Graph } from '../ir/graph.ts'
import { ratesType } from '../ops/weightUpdate.ts'
import { appendUpdate } from './appendUpdate.ts'
import { gradientName } from './differentiate.ts'
import { NormOfGradients } from './normOfGradients.ts'
import type { TrainedWeight } from './trainedWeights.ts'
import type { UpdateSettings } from './updateSettings.ts'

/**
 * The graph that only updates weights, which are states, by gradients that are inputs (`w.grad`): for steps whose gradients
 * come of several micro-batches. Outputs: `norm`, where gradients are clipped or it is asked for.
 */
export function updateGraph(weights: readonly TrainedWeight[], settings: UpdateSettings): Graph {
  const g = new GraphBuilder('update')
  const given = weights.map(({ name, type }) => ({
    weight: g.state(name, type),
    gradient: g.input(gradientName(name), type),
  }))
  const rates = g.input('rates', ratesType)
  const { clip: most } = settings
  let clip = {}
  if (most !== undefined || settings.norm) {
    const squares = new NormOfGradients(g)
    for (const { gradient, weight } of given) squares.add(gradient, weight.name)
    const norm = squares.finish(weights.map(({ name }) => name))
    g.output(norm)
    if (most !== undefined) clip = { clip: squares.clip(norm, most) }
  }
  given.forEach((inputs, at) => {
    appendUpdate(g, weights[at]!, settings, { ...inputs, rates, ...clip })
  })
  return g.finish()
}
