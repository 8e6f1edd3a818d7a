import { describe, expect, it } from 'vitest'
import { optimizerDefaults } from '../../src/base/optimizers.ts'
import { type Graph, type Node, nodeName, typeOf } from '../../src/ir/graph.ts'
import { parseGraph } from '../../src/ir/parse.ts'
import { printGraph } from '../../src/ir/print.ts'
import { verifyGraph } from '../../src/ir/verify.ts'
import { ops } from '../../src/ops/registry.ts'
import { accumulateGradients } from '../../src/passes/accumulateGradients.ts'
import { applyUpdates } from '../../src/passes/applyUpdates.ts'
import { differentiate } from '../../src/passes/differentiate.ts'
import { dropDead } from '../../src/passes/dropDead.ts'
import { trainedWeights } from '../../src/passes/trainedWeights.ts'
import { updateGraph } from '../../src/passes/updateGraph.ts'
import { decayExcept, type UpdateSettings } from '../../src/passes/updateSettings.ts'
import { graphOf } from './rewrite.ts'

/** A table, a square matrix, a gain, a head; `inner` is read again on the way back. */
const model = graphOf(`
  input ids i32[5]
  input targets i32[5]
  weight table f32[9, 4]
  weight gain f32[4]
  weight inner f32[4, 4]
  weight head f32[9, 4]
  y: x f32[5, 4] = embedding(ids: ids, table: table)
  y: normed f32[5, 4] = rmsNorm(x: x, gain: gain) {eps: 0.1}
  y: z f32[5, 4] = linear(x: normed, w: inner)
  y: logits f32[5, 9] = linear(x: z, w: head)
  loss: loss f32[1, 1] = crossEntropy(logits: logits, targets: targets)
  output loss`)
const trainable = ['table', 'gain', 'inner', 'head']
const weights = trainedWeights(model, trainable)
const training = { graph: differentiate(model, trainable), trainable }
const settings: UpdateSettings = {
  optimizer: optimizerDefaults.adamW,
  group: decayExcept(0.1, ['vector', 'embedding']),
}

/** The nodes of a graph in order: op and the value that each makes first. */
function nodesOf(graph: Graph): string[] {
  return verifyGraph(graph, ops).nodes.map((node) => `${node.op} ${nodeName(node)}`)
}

const named = (graph: Graph, name: string) => graph.nodes.find((node) => nodeName(node) === name)!

describe('applyUpdates', () => {
  it('advances a weight once its gradient is there and its old version is read for the last time', () => {
    const graph = applyUpdates(training, weights, settings)
    expect(nodesOf(graph).slice(6)).toEqual([
      'crossEntropyBackward logits.grad',
      'matmul z.grad',
      'matmul head.grad',
      'adamW head.next',
      'matmul normed.grad',
      'matmul inner.grad',
      'adamW inner.next',
      'rmsNormBackward x.grad',
      'adamW gain.next',
      'embeddingBackward table.grad',
      'adamW table.next',
    ])
    expect(graph.outputs).toEqual(['loss'])
    expect(graph.weights).toEqual([])
    expect(named(graph, 'inner.next')).toEqual({
      op: 'adamW',
      inputs: { weight: 'inner', gradient: 'inner.grad', mean: 'inner.mean', square: 'inner.square', rates: 'rates' },
      outputs: { next: 'inner.next', nextMean: 'inner.mean.next', nextSquare: 'inner.square.next' },
      attributes: { beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0.1, rate: 1 },
      of: 'inner',
    })
  })

  it('waits for the last reader where the gradient comes before it', () => {
    const late = { ...training, graph: readAgain(training.graph, 'head') }
    const nodes = nodesOf(applyUpdates(late, weights, settings))
    expect(nodes.indexOf('adamW head.next')).toBe(nodes.indexOf('scale again') + 1)
  })

  it('leaves weights that are not trained as they are, and those of a group without decay', () => {
    const graph = applyUpdates(
      { graph: differentiate(model, ['gain']), trainable: ['gain'] },
      weights.slice(1, 2),
      settings,
    )
    expect(nodesOf(graph).filter((node) => node.endsWith('.next'))).toEqual(['adamW gain.next'])
    expect(named(graph, 'gain.next').attributes.decay).toBe(0)
    expect(graph.weights.map(({ name }) => name)).toEqual(
      ['table', 'gain', 'inner', 'head'].filter((w) => w !== 'gain'),
    )
  })

  it('measures a gradient as soon as it is complete, and updates all at the end where they are clipped', () => {
    const graph = applyUpdates(training, weights, { ...settings, clip: 1 })
    expect(nodesOf(graph).slice(8)).toEqual([
      'matmul head.grad',
      'gradientSquares head.squares.next',
      'matmul normed.grad',
      'matmul inner.grad',
      'gradientSquares inner.squares.next',
      'rmsNormBackward x.grad',
      'gradientSquares gain.squares.next',
      'embeddingBackward table.grad',
      'gradientSquares table.squares.next',
      ...trainable.slice(1).map((weight) => `add ${weight}.squares.total`),
      'gradientNorm norm',
      'clipScale clip',
      ...trainable.map((weight) => `adamW ${weight}.next`),
    ])
    expect(graph.outputs).toEqual(['loss', 'norm'])
    expect(named(graph, 'gain.next').inputs.clip).toBe('clip')
  })

  it('gives the norm without clipping where it is asked for', () => {
    const graph = applyUpdates(training, weights, { ...settings, norm: true })
    expect(graph.outputs).toEqual(['loss', 'norm'])
    expect(nodesOf(graph).slice(8, 11)).toEqual([
      'matmul head.grad',
      'gradientSquares head.squares.next',
      'adamW head.next',
    ])
  })

  it('keeps an average of each weight where it is asked for', () => {
    const graph = applyUpdates(training, weights, { ...settings, average: 0.99 })
    expect(named(graph, 'gain.average.next').inputs).toEqual({ average: 'gain.average', weight: 'gain.next' })
  })

  it('gives Muon the matrices between embedding and head, and AdamW the rest', () => {
    const graph = applyUpdates(training, weights, { ...settings, optimizer: optimizerDefaults.muon })
    const last = nodesOf(graph).filter((node) => trainable.some((weight) => node.endsWith(` ${weight}.next`)))
    expect(last).toEqual(['adamW head.next', 'muonUpdate inner.next', 'adamW gain.next', 'adamW table.next'])
    expect(nodesOf(graph).filter((node) => node.startsWith('matmul inner.muon.x'))).toHaveLength(5)
  })

  it('survives dropDead, though nobody reads what it makes', () => {
    const graph = applyUpdates(training, weights, settings)
    expect(nodesOf(dropDead(graph))).toEqual(nodesOf(graph))
  })

  it('refuses a graph without a gradient for each weight', () => {
    expect(() => applyUpdates({ graph: model, trainable }, weights, settings)).toThrow(
      'has 1 outputs; accepted: a loss, and a',
    )
  })
})

describe('updateGraph', () => {
  it('updates weights by gradients that are inputs', () => {
    const graph = updateGraph(weights, { ...settings, clip: 1 })
    expect(nodesOf(graph)).toEqual([
      ...trainable.map((weight) => `gradientSquares ${weight}.squares.next`),
      ...trainable.slice(1).map((weight) => `add ${weight}.squares.total`),
      'gradientNorm norm',
      'clipScale clip',
      ...trainable.map((weight) => `adamW ${weight}.next`),
    ])
    expect(graph.inputs.map(({ name }) => name)).toEqual([...trainable.map((weight) => `${weight}.grad`), 'rates'])
    expect(graph.outputs).toEqual(['norm'])
  })
})

describe('accumulateGradients', () => {
  it('begins what makes a gradient with its state, in the same bytes', () => {
    const graph = accumulateGradients(training)
    expect(nodesOf(graph).slice(8)).toEqual([
      'matmul head.grad.next',
      'matmul normed.grad',
      'matmul inner.grad.next',
      'rmsNormBackward x.grad',
      'embeddingBackward table.grad.next',
    ])
    expect(named(graph, 'x.grad')).toMatchObject({
      inputs: { gainSum: 'gain.grad' },
      outputs: { dgain: 'gain.grad.next' },
    })
    expect(graph.nodes.filter(({ advances }) => advances)).toHaveLength(4)
    expect(parseGraph(printGraph(graph))).toEqual(graph)
    expect(graph.states.map(({ name }) => name).toSorted()).toEqual(trainable.map((w) => `${w}.grad`).toSorted())
    expect(graph.outputs).toEqual(['loss'])
  })

  it('refuses a gradient that no op can go on with, and one of two weights', () => {
    const scaled = graphOf(`
      input targets i32[5]
      weight w f32[5, 9]
      y: logits f32[5, 9] = scale(x: w) {factor: 2}
      loss: loss f32[1, 1] = crossEntropy(logits: logits, targets: targets)
      output loss`)
    const added = graphOf(`
      input targets i32[5]
      weight w f32[5, 9]
      weight v f32[5, 9]
      y: logits f32[5, 9] = add(x: w, z: v)
      loss: loss f32[1, 1] = crossEntropy(logits: logits, targets: targets)
      output loss`)
    for (const [forward, trained] of [
      [scaled, ['w']],
      [added, ['w', 'v']],
    ] as const)
      expect(() => accumulateGradients({ graph: differentiate(forward, trained), trainable: trained })).toThrow(
        /^w: its gradient '.*' is no chain of additions of its own, which micro-batches could go on with$/,
      )
  })
})

describe('trainedWeights', () => {
  it('tells what each weight is for', () => {
    expect(trainedWeights(model, trainable).map(({ role }) => role)).toEqual(['embedding', 'vector', 'matrix', 'head'])
    expect(trainedWeights(training.graph, trainable).map(({ role }) => role)[3]).toBe('head')
  })

  it('finds the head before what is done to logits, and no further', () => {
    const capped = graphOf(`
      input x f32[5, 4]
      input targets i32[5]
      weight inner f32[4, 4]
      weight head f32[9, 4]
      y: z f32[5, 4] = linear(x: x, w: inner)
      y: product f32[5, 9] = linear(x: z, w: head)
      y: scaled f32[5, 9] = scale(x: product) {factor: 0.5}
      y: logits f32[5, 9] = softCap(x: scaled) {cap: 30}
      loss: loss f32[1, 1] = crossEntropy(logits: logits, targets: targets)
      output loss`)
    expect(trainedWeights(capped, ['inner', 'head']).map(({ role }) => role)).toEqual(['matrix', 'head'])
  })

  it('counts a table that is the head too as an embedding', () => {
    const tied = { ...model, nodes: model.nodes.map((node) => retied(node)) }
    expect(trainedWeights(tied, ['table']).map(({ role }) => role)).toEqual(['embedding'])
  })

  it('refuses what is no weight', () => {
    expect(() => trainedWeights(model, ['x'])).toThrow('x: is trained but no f32 weight of the graph')
  })
})

const retied = (node: Node): Node =>
  nodeName(node) === 'logits' ? { ...node, inputs: { ...node.inputs, w: 'table' } } : node

/** The graph with a last node that reads a weight. */
function readAgain(graph: Graph, weight: string): Graph {
  const again = { op: 'scale', inputs: { x: weight }, outputs: { y: 'again' }, attributes: { factor: 2 } }
  return { ...graph, nodes: [...graph.nodes, again], types: { ...graph.types, again: typeOf(graph, weight)! } }
}
