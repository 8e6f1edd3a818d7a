import { describe, expect, it } from 'vitest'
import { countBarriers, findRace, withoutBarrier } from '../../tests/conformance/findRace.ts'
import { randomGraph } from '../../tests/passes/randomGraph.ts'
import { graphOf } from '../../tests/passes/rewrite.ts'
import { ops } from '../ops/registry.ts'
import { optimize } from '../passes/optimize.ts'
import { foldRepeats } from './foldRepeats.ts'
import { lower } from './lower.ts'
import { type MemoryPlan, type PlacedBuffer, planMemory } from './planMemory.ts'
import { planThreads } from './planThreads.ts'
import { callsOf, type Mode, type Program, type Repeat } from './program.ts'
import { verifyProgram } from './verifyProgram.ts'

/** `count` layers of x + linear(rmsNorm(x)), with weights and a cache-like input each. */
function layersText(count: number, tail = ''): string {
  const layers = Array.from({ length: count }, (_, i) => {
    const before = i === 0 ? 'e' : `blk.${i - 1}.y`
    return `
      weight blk.${i}.g.weight f32[4]
      weight blk.${i}.w.weight f32[4, 4]
      y: blk.${i}.n f32[tokens, 4] = rmsNorm(x: ${before}, gain: blk.${i}.g.weight) {eps: 0.1}
      y: blk.${i}.p f32[tokens, 4] = linear(x: blk.${i}.n, w: blk.${i}.w.weight)
      y: blk.${i}.y f32[tokens, 4] = add(x: ${before}, z: blk.${i}.p)`
  })
  return `
    input x f32[tokens, 4]
    y: e f32[tokens, 4] = silu(x: x)
    ${layers.join('')}
    ${tail}
    y: end f32[tokens, 4] = softmax(x: blk.${count - 1}.y)
    output end`
}

const lowerText = (text: string, mode: Mode = 'prefill', tokens = 8) =>
  lower(graphOf(text), ops, { mode, bounds: { tokens, outputs: tokens }, lanes: 4 })

const repeatOf = (program: Program) => program.steps.find((step): step is Repeat => step.kind === 'repeat')

describe('foldRepeats', () => {
  it('makes one round and a table of the layers', () => {
    const program = foldRepeats(lowerText(layersText(3)))
    expect(program.steps.map((step) => (step.kind === 'call' ? step.kernel : step.kind))).toEqual([
      'activate_fwd_f32',
      'repeat',
      'softmax_fwd_f32',
    ])
    const repeat = repeatOf(program)!
    expect(repeat.count).toBe(3)
    expect(repeat.body.map((call) => call.kind === 'call' && call.name)).toEqual(['blk.*.n', 'blk.*.p', 'blk.*.y'])
    expect(repeat.columns).toEqual([
      { name: 'g', in: 'weights', entries: ['blk.0.g.weight', 'blk.1.g.weight', 'blk.2.g.weight'] },
      { name: 'w', in: 'weights', entries: ['blk.0.w.weight', 'blk.1.w.weight', 'blk.2.w.weight'] },
    ])
    expect(program.buffers.filter(({ region }) => region === 'activation').map(({ name }) => name)).toEqual([
      'e',
      'blk.*.n',
      'blk.*.p',
    ])
  })

  it('carries a value from round to round in bytes that are alive all the while', () => {
    const program = foldRepeats(lowerText(layersText(2)))
    const plan = planMemory([program])
    const carried = plan.buffers.prefill!.find(({ name }) => name === 'e')!
    const calls = [...callsOf(program.steps)].length
    expect([carried.first, carried.last]).toEqual([0, calls - 1])
  })

  it('leaves one layer, and no layer', () => {
    for (const text of [layersText(1), 'input x f32[tokens, 4]\ny: y f32[tokens, 4] = silu(x: x)\noutput y']) {
      const program = lowerText(text)
      expect(foldRepeats(program)).toBe(program)
    }
  })

  it('never overwrites a value of one round that is read after all rounds', () => {
    // blk.0.p is read at the end, so rounds must not share its bytes.
    const program = foldRepeats(lowerText(layersText(3, 'y: late f32[tokens, 4] = silu(x: blk.0.p)\noutput late')))
    const plan = planMemory([program])
    verifyProgram(planThreads(program, plan), plan)
    expect(repeatOf(program)?.count ?? 0).toBeLessThan(3)
  })

  it('keeps apart layers that differ in a size, a number or a kernel', () => {
    const other = layersText(2).replace(
      'y: blk.1.n f32[tokens, 4] = rmsNorm(x: blk.0.y, gain: blk.1.g.weight) {eps: 0.1}',
      'y: blk.1.n f32[tokens, 4] = rmsNorm(x: blk.0.y, gain: blk.1.g.weight) {eps: 0.2}',
    )
    expect(repeatOf(foldRepeats(lowerText(other)))).toBeUndefined()
    const f16 = layersText(2).replace('blk.1.w.weight f32', 'blk.1.w.weight f16')
    expect(repeatOf(foldRepeats(lowerText(f16)))).toBeUndefined()
  })
})

const graphs = Array.from({ length: 30 }, (_, seed) => randomGraph(seed, { count: 8, layers: 1 + (seed % 3) }))

/** Both programs of a model, planned together. */
function planBoth(source = graphs[0]!): { programs: Program[]; plan: MemoryPlan } {
  const cache = { context: 64, sequences: 1, dtype: 'f32' } as const
  const graph = optimize(source, { cache, strict: true })
  const programs = (['prefill', 'decode'] as const).map((mode) => {
    const tokens = mode === 'prefill' ? 8 : 1
    return foldRepeats(lower(graph, ops, { mode, bounds: { tokens, outputs: tokens }, lanes: 4 }))
  })
  const plan = planMemory(programs)
  return { plan, programs: programs.map((program) => planThreads(program, plan)) }
}

describe('planMemory', () => {
  it('gives bytes to one buffer at a time', () => {
    for (const graph of graphs) {
      const { plan } = planBoth(graph)
      for (const buffers of Object.values(plan.buffers)) {
        for (const [i, a] of buffers.entries()) {
          expect(a.offset % 64).toBe(0)
          expect(a.offset + a.bytes).toBeLessThanOrEqual(plan.memoryBytes)
          for (const b of buffers.slice(i + 1)) {
            const bothActive = a.region === 'activation' && b.region === 'activation'
            const together = !bothActive || (a.first <= b.last && b.first <= a.last)
            expect(together && meets(a, b), `${a.name} and ${b.name}`).toBe(false)
          }
        }
      }
    }
  })

  it('puts states, inputs and outputs at one place in all programs, states first', () => {
    for (const graph of graphs) {
      const { plan } = planBoth(graph)
      const decode = new Map(plan.buffers.decode!.map((buffer) => [buffer.name, buffer]))
      for (const buffer of plan.buffers.prefill!.filter(({ region }) => region !== 'activation')) {
        expect(decode.get(buffer.name)!.offset).toBe(buffer.offset)
        expect(buffer.offset + buffer.bytes <= plan.stateBytes, buffer.name).toBe(buffer.region === 'state')
      }
    }
  })

  it('shares bytes: a chain of any length needs three buffers, of which one rests', () => {
    const links = Array.from(
      { length: 20 },
      (_, i) => `weight w${i} f32[16, 16]\ny: v${i + 1} f32[tokens, 16] = linear(x: v${i}, w: w${i})`,
    )
    const text = `input v0 f32[tokens, 16]\n${links.join('\n')}\ny: end f32[tokens, 16] = softmax(x: v20)\noutput end`
    const plan = planMemory([lowerText(text)])
    const activations = plan.buffers.prefill!.filter(({ region }) => region === 'activation')
    expect(new Set(activations.map(({ offset }) => offset)).size).toBe(3)
  })

  it('keeps every value of a trace apart', () => {
    const plan = planMemory([lowerText(layersText(3), 'trace')])
    const buffers = plan.buffers.trace!
    for (const [i, a] of buffers.entries()) for (const b of buffers.slice(i + 1)) expect(meets(a, b)).toBe(false)
  })

  it('lays weights one behind the other, large ones on pages', () => {
    for (const graph of graphs) {
      const { weights, weightsBytes } = planBoth(graph).plan
      let end = 0
      for (const { offset, bytes } of weights) {
        expect(offset).toBeGreaterThanOrEqual(end)
        expect(offset % (bytes >= 4096 ? 4096 : 64)).toBe(0)
        end = offset + bytes
      }
      expect(weightsBytes).toBeGreaterThanOrEqual(end)
    }
  })
})

function meets(a: PlacedBuffer, b: PlacedBuffer): boolean {
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes
}

describe('verifyProgram', () => {
  const moved = (plan: MemoryPlan, mode: string, name: string, offset: number): MemoryPlan => ({
    ...plan,
    buffers: {
      ...plan.buffers,
      [mode]: plan.buffers[mode]!.map((buffer) => (buffer.name === name ? { ...buffer, offset } : buffer)),
    },
  })

  it('refuses a buffer on the bytes of another one that is needed at the same time', () => {
    let refused = 0
    for (const graph of graphs) {
      const { programs, plan } = planBoth(graph)
      const [program] = programs
      // What a repeat carries may be dead for a part of each round.
      if (repeatOf(program!)) continue
      for (const a of plan.buffers.prefill!) {
        for (const b of plan.buffers.prefill!) {
          const isStepLong = a.region !== 'activation' && b.region !== 'activation'
          if (a === b || !(isStepLong || (a.first < b.last && b.first < a.last))) continue
          // Inputs that are read for the last time may go.
          if (a.region === 'input' || b.region === 'input') continue
          const broken = moved(plan, 'prefill', a.name, b.offset)
          expect(() => verifyProgram(program!, broken), `${a.name} on ${b.name}`).toThrow(
            /hold|same bytes|lasts too|ends at/,
          )
          refused++
        }
      }
    }
    expect(refused).toBeGreaterThan(100)
  })

  it('refuses what lies askew or behind the end, and weights on each other', () => {
    const { programs, plan } = planBoth()
    const [program] = programs
    const [first] = plan.buffers.prefill!
    expect(() => verifyProgram(program!, moved(plan, 'prefill', first!.name, first!.offset + 4))).toThrow(
      'accepted: a multiple of 64',
    )
    expect(() => verifyProgram(program!, moved(plan, 'prefill', first!.name, plan.memoryBytes))).toThrow(
      'its region ends at',
    )
    const weights = plan.weights.map((weight) => ({ ...weight, offset: 0 }))
    expect(() => verifyProgram(program!, { ...plan, weights })).toThrow('lies on the bytes of another weight')
  })

  it('refuses a call that takes more than its buffer has, and one that reads what nothing wrote', () => {
    const program = lowerText(layersText(2))
    const plan = planMemory([program])
    const larger = { ...program, bounds: { tokens: 9, outputs: 9 } }
    expect(() => verifyProgram(larger, plan)).toThrow("takes 144 bytes of 'x', which has 128")
    expect(() => verifyProgram({ ...program, steps: program.steps.slice(1) }, plan)).toThrow(
      "reads 'e', whose bytes hold something else",
    )
  })
})

describe('planThreads', () => {
  const planText = (text: string) => {
    const program = lowerText(text)
    const plan = planMemory([program])
    return { program: planThreads(program, plan), plan }
  }
  const kinds = (program: Program) => program.steps.map((step) => (step.kind === 'call' ? step.name : '|')).join(' ')

  it('lets a turn follow a product after one barrier, and the next turn after none', () => {
    const { program } = planText(
      `
      input x f32[tokens, 8]
      input positions i32[tokens]
      weight w f32[16, 8]
      y: t f32[tokens, 2, 2] = ropeTable(positions: positions) {pairs: 2, theta: 100, scale: 1}
      y: p f32[tokens, 16] = linear(x: x, w: w)
      y: a f32[tokens, 8] = slice(x: p) {from: 0, cols: 8}
      y: b f32[tokens, 8] = slice(x: p) {from: 8, cols: 8}
      y: ah f32[tokens, 2, 4] = reshape(x: a) {heads: 2}
      y: bh f32[tokens, 2, 4] = reshape(x: b) {heads: 2}
      y: q f32[tokens, 2, 4] = rope(x: ah, table: t) {style: "split"}
      y: k f32[tokens, 2, 4] = rope(x: bh, table: t) {style: "split"}
      y: y f32[tokens, 2, 4] = add(x: q, z: k)
      output y`.replace('y: t f32', 'table: t f32'),
    )
    expect(kinds(program)).toBe('t p | q k | y')
  })

  it('needs none between calls that divide the same rows', () => {
    const { program } = planText(`
      input ids i32[tokens]
      weight e f32[7, 4]
      weight g f32[4]
      y: x f32[tokens, 4] = embedding(ids: ids, table: e)
      y: s f32[tokens, 4] = silu(x: x)
      y: n f32[tokens, 4] = rmsNorm(x: s, gain: g) {eps: 0.1}
      y: y f32[tokens, 4] = add(x: n, z: x)
      output y`)
    expect(kinds(program)).toBe('x s n y')
  })

  it('needs one where the same rows are divided otherwise, or bytes pass to another buffer', () => {
    const { program } = planText(`
      input x f32[tokens, 4]
      weight g f32[2]
      y: s f32[tokens, 4] = silu(x: x)
      y: h f32[tokens, 2, 2] = reshape(x: s) {heads: 2}
      y: n f32[tokens, 2, 2] = rmsNorm(x: h, gain: g) {eps: 0.1}
      output n`)
    expect(kinds(program)).toBe('s | n')
  })

  it('needs one where equal shares are of other columns', () => {
    // Head 1 of a is head 0 of b, which another thread turns in place.
    const { program, plan } = planText(`
      input x f32[tokens, 8]
      input t f32[tokens, 2, 2]
      weight w f32[12, 8]
      weight g f32[4]
      y: p f32[tokens, 12] = linear(x: x, w: w)
      y: a f32[tokens, 8] = slice(x: p) {from: 0, cols: 8}
      y: b f32[tokens, 8] = slice(x: p) {from: 4, cols: 8}
      y: ah f32[tokens, 2, 4] = reshape(x: a) {heads: 2}
      y: bh f32[tokens, 2, 4] = reshape(x: b) {heads: 2}
      y: n f32[tokens, 2, 4] = rmsNorm(x: ah, gain: g) {eps: 0.1}
      y: r f32[tokens, 2, 4] = rope(x: bh, table: t) {style: "split"}
      y: y f32[tokens, 2, 4] = add(x: n, z: r)
      output y`)
    expect(kinds(program)).toMatch(/^p \| n \| r/)
    expect(findRace(withoutBarrier(program, 1), plan, { tokens: 8 }, 3)).toContain('r (rope_fwd_split_f32)')
  })

  it('separates rounds where only the passage from one to the next asks for it', () => {
    const layers = [0, 1, 2].map(
      (i) => `
      weight blk.${i}.g.weight f32[4]
      weight blk.${i}.v.weight f32[4, 4]
      weight blk.${i}.w.weight f32[4, 4]
      y: blk.${i}.n f32[tokens, 4] = rmsNorm(x: ${i === 0 ? 'e' : `blk.${i - 1}.q`}, gain: blk.${i}.g.weight) {eps: 0.1}
      y: blk.${i}.p f32[tokens, 4] = linear(x: blk.${i}.n, w: blk.${i}.v.weight)
      y: blk.${i}.q f32[tokens, 4] = linear(x: blk.${i}.p, w: blk.${i}.w.weight)`,
    )
    const text = `
      input x f32[tokens, 4]
      y: e f32[tokens, 4] = silu(x: x)${layers.join('')}
      y: end f32[tokens, 4] = softmax(x: blk.2.q)
      output end`
    const program = foldRepeats(lowerText(text))
    const plan = planMemory([program])
    const planned = planThreads(program, plan)
    const body = repeatOf(planned)!.body.map((step) => (step.kind === 'call' ? step.name : '|'))
    expect(body.join(' ')).toBe('| blk.*.n | blk.*.p | blk.*.q')
    expect(findRace(planned, plan, { tokens: 8 }, 3)).toBeUndefined()
  })

  it('separates the last call of a round from the first of the next', () => {
    const program = foldRepeats(lowerText(layersText(2)))
    const plan = planMemory([program])
    const body = repeatOf(planThreads(program, plan))!.body.map((step) => (step.kind === 'call' ? step.name : '|'))
    expect(body.join(' ')).toBe('blk.*.n | blk.*.p | blk.*.y')
  })

  it('without any one of its barriers lets threads race', () => {
    let barriers = 0
    for (const graph of graphs) {
      const { programs, plan } = planBoth(graph)
      const [program] = programs
      const symbols = { tokens: 8, outputs: 8 }
      expect(findRace(program!, plan, symbols, 3)).toBeUndefined()
      for (let which = 0; which < countBarriers(program!); which++) {
        barriers++
        expect(findRace(withoutBarrier(program!, which), plan, symbols, 3)).toBeDefined()
      }
    }
    expect(barriers).toBeGreaterThan(100)
  })
})
