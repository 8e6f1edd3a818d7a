import { describe, expect, it } from 'vitest'
import type { Graph } from '../../src/ir/graph.ts'
import type { AnyOp } from '../../src/ir/op.ts'
import { add } from '../../src/ops/add.ts'
import { multiply } from '../../src/ops/multiply.ts'
import { ops } from '../../src/ops/registry.ts'
import { addLoss } from '../../src/passes/addLoss.ts'
import { differentiate } from '../../src/passes/differentiate.ts'
import { expandFused } from '../../src/passes/expandFused.ts'
import { insertCache } from '../../src/passes/insertCache.ts'
import { insertStates } from '../../src/passes/insertStates.ts'
import { separateSequences } from '../../src/passes/separateSequences.ts'
import { trainingGraph } from '../../src/passes/trainingGraph.ts'
import { graphOf, lines, rewrite } from './rewrite.ts'

/** A tied head: the table is read twice. */
const tied = `
  input ids i32[tokens]
  input targets i32[tokens]
  weight table f32[9, 4]
  weight gain f32[4]
  y: x f32[tokens, 4] = embedding(ids: ids, table: table)
  y: normed f32[tokens, 4] = rmsNorm(x: x, gain: gain) {eps: 0.1}
  y: y f32[tokens, 4] = add(x: x, z: normed)
  y: logits f32[tokens, 9] = linear(x: y, w: table)
  loss: loss f32[1, 1] = crossEntropy(logits: logits, targets: targets)
  output loss`

const without = (line: string) => tied.replace(line, '')

describe('differentiate', () => {
  it('adds what comes from several readers, and names every gradient after its value and its node', () => {
    expect(rewrite((graph) => differentiate(graph, ['table', 'gain']), tied)).toBe(
      lines(`${without('  output loss')}
        y: loss.grad f32[1, 1] = constant() {value: 1} of loss
        dlogits: logits.grad f32[tokens, 9] = crossEntropyBackward(logits: logits, targets: targets, dloss: loss.grad) of loss
        y: y.grad f32[tokens, 4] = matmul(a: logits.grad, b: table) {transposeA: false, transposeB: false} of logits
        y: logits.w.grad f32[9, 4] = matmul(a: logits.grad, b: y) {transposeA: true, transposeB: false} of logits
        dx: normed.x.grad f32[tokens, 4]; dgain: gain.grad f32[4] = rmsNormBackward(x: x, gain: gain, dy: y.grad) {eps: 0.1} of normed
        y: x.grad f32[tokens, 4] = add(x: y.grad, z: normed.x.grad) of x
        dtable: x.table.grad f32[9, 4] = embeddingBackward(ids: ids, dy: x.grad) {rows: 9} of x
        y: table.grad f32[9, 4] = add(x: logits.w.grad, z: x.table.grad) of table
        output loss
        output table.grad
        output gain.grad`),
    )
  })

  it('leaves out what only weights that stay as they are would need', () => {
    const text = rewrite((graph) => differentiate(graph, ['gain']), tied)
    expect(text).not.toContain('embeddingBackward')
    expect(text).not.toContain('logits.w.grad')
    expect(text.trim().split('\n').slice(-2)).toEqual(['output loss', 'output gain.grad'])
  })

  it('refuses a trainable weight that the loss does not depend on, and one that is none', () => {
    const unused = tied.replace('weight gain f32[4]', 'weight gain f32[4]\n weight idle f32[4]')
    expect(() => differentiate(graphOf(unused), ['idle'])).toThrow('idle: is trainable but has no gradient')
    expect(() => differentiate(graphOf(tied), ['x'])).toThrow('x: is trainable but no weight of the graph')
  })

  it('refuses an op without a vjp between a trainable weight and the loss', () => {
    const scaled = `
      input targets i32[tokens]
      weight table f32[9, 4]
      input x f32[tokens, 4]
      y: p f32[tokens, 9] = linear(x: x, w: table)
      y: logits f32[tokens, 9] = unitNorm(x: p) {eps: 0.1}
      loss: loss f32[1, 1] = crossEntropy(logits: logits, targets: targets)
      output loss`
    const says = "logits: unitNorm has no vjp, and 'p' is between a trainable weight and the loss"
    expect(() => differentiate(graphOf(scaled), ['table'])).toThrow(says)
  })

  it('refuses a graph whose output is no loss', () => {
    const text = without('  loss: loss f32[1, 1] = crossEntropy(logits: logits, targets: targets)\n')
    const graph = graphOf(text.replace('output loss', 'output logits'))
    expect(() => differentiate(graph, ['gain'])).toThrow('only if its one output is a loss [1, 1]')
  })

  it('refuses what a wrong vjp gives: too little, too much, of another shape', () => {
    const broken = (vjp: NonNullable<AnyOp['vjp']>) => () =>
      differentiate(graphOf(tied), ['gain'], { ...ops, add: { ...add, vjp } as AnyOp })
    expect(broken((_i, _o, { y }) => ({ x: y! }))).toThrow("y: the vjp of add gives no gradient of 'z'")
    expect(broken((_i, _o, { y }) => ({ x: y!, z: y!, w: y! }))).toThrow("gives a gradient of 'w' that nobody takes")
    expect(
      broken((_i, _o, { y }, _a, g) => {
        const square = g.apply(ops.matmul, 'z', { a: y!, b: y! }, { transposeA: true, transposeB: false })
        return { x: y!, z: square }
      }),
    ).toThrow("gives f32[4, 4] for 'normed', not f32[tokens, 4]")
  })

  it('adds both parts where a node reads a value twice', () => {
    const text = rewrite((graph) => differentiate(graph, ['w']), twice(multiply.name))
    expect(text).toContain('y: s.x.grad f32[tokens, 9] = multiply(x: s.grad, z: p) of s')
    expect(text).toContain('y: p.grad f32[tokens, 9] = add(x: s.x.grad, z: s.z.grad) of p')
    expect(rewrite((graph) => differentiate(graph, ['w']), twice(add.name))).toContain(
      'y: p.grad f32[tokens, 9] = add(x: s.grad, z: s.grad) of p',
    )
  })
})

const twice = (op: string) => `
  input x f32[tokens, 4]
  input targets i32[tokens]
  weight w f32[9, 4]
  y: p f32[tokens, 9] = linear(x: x, w: w)
  y: s f32[tokens, 9] = ${op}(x: p, z: p)
  loss: loss f32[1, 1] = crossEntropy(logits: s, targets: targets)
  output loss`

describe('expandFused', () => {
  it('puts ordinary ops in the place of fused ones', () => {
    const text = `
      input x f32[tokens, 4]
      input delta f32[tokens, 4]
      weight gain f32[4]
      sum: s f32[tokens, 4]; y: y f32[tokens, 4] = residualRmsNorm(x: x, delta: delta, gain: gain) {eps: 0.1}
      output y`
    expect(rewrite(expandFused, text)).toBe(
      lines(`
        input x f32[tokens, 4]
        input delta f32[tokens, 4]
        weight gain f32[4]
        y: s.residual f32[tokens, 4] = add(x: x, z: delta)
        y: s.normed f32[tokens, 4] = rmsNorm(x: s.residual, gain: gain) {eps: 0.1}
        output s.normed`),
    )
  })
})

const mixing = `
  input positions i32[tokens]
  input q f32[tokens, 2, 4]
  weight w f32[8, 4]
  y: a f32[tokens, 2, 4] = attention(q: q, k: q, v: q) {scale: 0.5}
  y: flat f32[tokens, 8] = reshape(x: a) {heads: 0}
  y: c f32[tokens, 8] = causalConvolution(x: flat, w: w) {activation: "silu"}
  output c`

describe('separateSequences', () => {
  it('tells every op that mixes tokens where their sequences begin', () => {
    const text = rewrite(separateSequences, mixing)
    expect(text).toContain('input starts i32[tokens]')
    expect(text).toContain('attention(q: q, k: q, v: q, starts: starts)')
    expect(text).toContain('causalConvolution(x: flat, w: w, starts: starts)')
  })

  it('leaves a graph alone that mixes none', () => {
    expect(rewrite(separateSequences, tied)).toBe(lines(tied))
  })

  it('makes a graph that no cache or state can carry', () => {
    const separated: Graph = separateSequences(graphOf(mixing))
    const refusal = 'starts: no kernel for'
    expect(() => insertCache(separated, { context: 8, sequences: 1, dtype: 'f32' })).toThrow(refusal)
    expect(() => insertStates(separated, { sequences: 1 })).toThrow(refusal)
  })
})

describe('trainingGraph', () => {
  it('ends in a loss and the gradients of all weights but constants', () => {
    const { graph, trainable } = trainingGraph(
      graphOf(`
        input positions i32[tokens]
        input x f32[tokens, 2, 4]
        weight factors f32[2]
        weight w q8_0[32, 32]
        weight gain f32[4]
        weight head bf16[9, 8]
        table: turns f32[tokens, 2, 2] = ropeTable(positions: positions, factors: factors) {pairs: 2, theta: 100, scale: 1}
        y: n f32[tokens, 2, 4] = rmsNorm(x: x, gain: gain) {eps: 0.1}
        y: q f32[tokens, 2, 4] = rope(x: n, table: turns) {style: "split"}
        y: flat f32[tokens, 8] = reshape(x: q) {heads: 0}
        y: logits f32[tokens, 9] = linear(x: flat, w: head)
        output logits`),
    )
    expect(trainable).toEqual(['gain', 'head'])
    expect(graph.outputs).toEqual(['loss', 'gain.grad', 'head.grad'])
    expect(graph.types['head.grad']).toEqual({ dtype: 'f32', shape: [9, 8] })
  })

  it('refuses a graph of which nothing is a row of logits', () => {
    expect(() => addLoss(graphOf('input x f32[tokens, 2, 4]\noutput x'))).toThrow('logits of two axes')
  })
})
