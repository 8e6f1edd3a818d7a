import { describe, expect, it } from 'vitest'
import { countBarriers, findRace } from '../../tests/conformance/findRace.ts'
import { graphOf } from '../../tests/passes/rewrite.ts'
import { optimizerDefaults } from '../base/optimizers.ts'
import type { Graph } from '../ir/graph.ts'
import { ops } from '../ops/registry.ts'
import { trainingPrograms } from '../passes/trainingPrograms.ts'
import { decayExcept } from '../passes/updateSettings.ts'
import { readModel } from '../templates/readModel.ts'
import { models } from '../train/models.ts'
import { foldLayers } from './foldLayers.ts'
import { gatherCalls } from './gatherCalls.ts'
import { lower } from './lower.ts'
import { matchSplits } from './matchSplits.ts'
import { planMemory } from './planMemory.ts'
import { planThreads } from './planThreads.ts'
import { callsOf, type Program } from './program.ts'
import { shareScratch } from './shareScratch.ts'
import { verifyProgram } from './verifyProgram.ts'

const lowered = (graph: Graph) => matchSplits(lower(graph, ops, { mode: 'train', bounds: {}, lanes: 4 }))

/** Names of calls, and a line where threads meet. */
const line = ({ steps }: Program) => steps.map((step) => (step.kind === 'call' ? step.name : '|')).join(' ')

/** Rows on their way through two tall products, and two sums over all of the rows. */
const text = `
  input x f32[64, 4]
  input a f32[4, 8]
  input b f32[8, 4]
  y: p f32[64, 8] = matmul(a: x, b: a) {transposeA: false, transposeB: false}
  y: q f32[64, 8] = silu(x: p)
  y: da f32[4, 8] = matmul(a: x, b: q) {transposeA: true, transposeB: false}
  y: r f32[64, 4] = matmul(a: q, b: b) {transposeA: false, transposeB: false}
  y: db f32[8, 4] = matmul(a: q, b: r) {transposeA: true, transposeB: false}
  y: s f32[64, 4] = silu(x: r)
  output da
  output db
  output s`

describe('gatherCalls', () => {
  it('lets rows go on and puts off what needs those of all threads', () => {
    const program = shareScratch(lowered(graphOf(text)))
    expect(line(program)).toBe('p q da r db s')
    expect(line(gatherCalls(program))).toBe('p q r s | da db')
  })

  it('takes nothing early that reads no result of another call', () => {
    const late = `
      input x f32[64, 4]
      input b f32[64, 4]
      y: p f32[64, 4] = silu(x: x)
      y: d f32[4, 4] = matmul(a: p, b: p) {transposeA: true, transposeB: false}
      y: q f32[64, 4] = silu(x: b)
      output d
      output q`
    expect(line(gatherCalls(lowered(graphOf(late))))).toBe('p | d q')
  })

  it('keeps bytes apart that threads may still work on', () => {
    const program = gatherCalls(shareScratch(lowered(graphOf(text))))
    const plan = planMemory([program])
    expect(line(planThreads(program, plan))).toBe('p q r s | da db')
  })
})

describe('shareScratch', () => {
  it('gives all products the scratch of the largest', () => {
    const program = shareScratch(lowered(graphOf(text)))
    const scratch = program.buffers.filter(({ name }) => name.includes('scratch'))
    const rooms = [...callsOf(program.steps)].flatMap(({ call: { dims } }) =>
      dims.room === undefined ? [] : dims.room,
    )
    expect(scratch).toHaveLength(1)
    expect(new Set(rooms)).toEqual(new Set(scratch[0]!.shape))
    expect(rooms).toHaveLength(4)
  })
})

describe('a training whose calls are gathered', () => {
  const size = { batch: 4, length: 48 }
  const optimizer = optimizerDefaults.adamW
  const shape = { vocab: 41, dim: 16, layers: 3, hidden: 24, heads: 2, kvHeads: 1, contextLen: size.length }
  const model = readModel(models.qwen3Tiny(shape), size.length)
  const { graphs } = trainingPrograms(model.graph, { size, update: { optimizer, group: decayExcept(0.1, []) } })
  const planned = (order: (program: Program) => Program) => {
    const programs = Object.values(graphs).map((graph) => order(lowered(graph)))
    const plan = planMemory(programs.map((program, i) => ({ ...program, mode: i === 0 ? 'train' : 'evaluate' })))
    return { plan, program: planThreads(programs[0]!, plan) }
  }

  it('has less than half of the barriers, and no thread touches what another has touched', () => {
    const { plan, program } = planned((lone) => gatherCalls(shareScratch(lone)))
    verifyProgram(foldLayers(program), plan)
    expect(countBarriers(program)).toBeLessThan(countBarriers(planned((lone) => lone).program) / 2)
    for (const parts of [2, 3, 7]) expect(findRace(program, plan, {}, parts)).toBeUndefined()
  })
})
