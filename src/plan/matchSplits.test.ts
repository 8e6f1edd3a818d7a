import { describe, expect, it } from 'vitest'
import { countBarriers, findRace } from '../../tests/conformance/findRace.ts'
import { graphOf } from '../../tests/passes/rewrite.ts'
import { ops } from '../ops/registry.ts'
import { lower } from './lower.ts'
import { matchSplits } from './matchSplits.ts'
import { planMemory } from './planMemory.ts'
import { planThreads } from './planThreads.ts'
import { callsOf } from './program.ts'

/** A norm, the gated product of its rows, and the product of those: two quantised rows, made in different pieces. */
const text = `
  input x f32[tokens, 64]
  weight g f32[64]
  weight gate q8_0[96, 64]
  weight up q8_0[96, 64]
  weight down q8_0[64, 96]
  y: n f32[tokens, 64] = rmsNorm(x: x, gain: g) {eps: 0.1}
  y: n.a8 a8[tokens, 64] = quantize(x: n)
  y: h f32[tokens, 96] = linearGlu(x: n.a8, gate: gate, up: up) {activation: "silu"}
  y: h.a8 a8[tokens, 96] = quantize(x: h)
  y: y f32[tokens, 64] = linear(x: h.a8, w: down)
  output y`

function plan(tokens: number) {
  const program = matchSplits(lower(graphOf(text), ops, { mode: 'decode', bounds: { tokens }, lanes: 4 }))
  const memory = planMemory([program])
  return { program, memory, planned: planThreads(program, memory) }
}

const namesOf = ({ planned }: ReturnType<typeof plan>) =>
  planned.steps.map((step) => (step.kind === 'call' ? step.name : '|')).join(' ')

describe('matchSplits', () => {
  it('divides what is quantised as the call that made it is divided', () => {
    const pieces = [...callsOf(plan(1).program.steps)]
      .filter(({ call }) => call.kernel === 'quantize_fwd_a8')
      .map(({ call }) => [call.name, call.dims.pieces])
    expect(pieces).toEqual([
      ['n.a8', 1],
      ['h.a8', 3],
    ])
  })

  it('leaves the finest pieces where nobody has made the row', () => {
    const alone = 'input x f32[tokens, 96]\ny: y a8[tokens, 96] = quantize(x: x)\noutput y'
    const program = matchSplits(lower(graphOf(alone), ops, { mode: 'decode', bounds: { tokens: 1 }, lanes: 4 }))
    expect([...callsOf(program.steps)][0]!.call.dims.pieces).toBe(3)
  })

  it('spares a single token the barriers before both, and several tokens the one before whole rows', () => {
    expect(namesOf(plan(1))).toBe('n n.a8 | h h.a8 | y')
    expect(namesOf(plan(8))).toBe('n n.a8 | h | h.a8 | y')
  })

  it('lets no part touch what another one has touched', () => {
    for (const tokens of [1, 8]) {
      const { planned, memory } = plan(tokens)
      expect(countBarriers(planned)).toBe(tokens === 1 ? 2 : 3)
      for (const parts of [2, 3, 5]) expect(findRace(planned, memory, { tokens }, parts)).toBeUndefined()
    }
  })
})
