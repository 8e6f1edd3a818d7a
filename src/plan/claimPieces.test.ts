import { describe, expect, it } from 'vitest'
import { kernels } from '../kernels/registry.ts'
import { claimPieces } from './claimPieces.ts'
import type { Call, Program, Step } from './program.ts'

const call = (name: string, kernel: string): Call => ({
  kind: 'call',
  kernel,
  name,
  dims: {},
  attributes: {},
  buffers: {},
})
const product = (name: string) => call(name, 'linear_fwd_q8_0')
const turn = (name: string) => call(name, 'quantize_fwd_a8')
const barrier = { kind: 'barrier' } as const
const layers = (...body: (Call | typeof barrier)[]): Step => ({ kind: 'repeat', count: 2, columns: [], body })

/** The claimed calls in brackets, `|` where threads meet. */
function line(steps: readonly Step[]): string {
  const text = (step: Step): string => {
    if (step.kind === 'barrier') return '|'
    if (step.kind === 'call') return step.isClaimed ? `[${step.name}]` : step.name
    return `{ ${step.body.map(text).join(' ')} }`
  }
  const program: Program = { mode: 'decode', bounds: {}, buffers: [], weights: [], values: [], steps }
  return claimPieces(program).steps.map(text).join(' ')
}

describe('claimPieces', () => {
  it('takes a product that can be divided finely, with all calls up to the barriers beside it', () => {
    expect(kernels.get('linear_fwd_q8_0')!.split.fine).toBe(true)
    expect(line([turn('a'), barrier, product('p'), turn('q'), barrier, turn('b')])).toBe('a | [p] [q] | b')
  })

  it('takes what stands at the ends of a step', () => {
    expect(line([product('p'), barrier, turn('a'), barrier, product('q')])).toBe('[p] | a | [q]')
  })

  it('leaves calls that no barrier parts from those of a layer, or from the next round', () => {
    expect(line([product('p'), layers(turn('a'), barrier, product('q'), barrier, turn('b')), product('r')])).toBe(
      'p { a | [q] | b } r',
    )
    expect(line([layers(product('p'), barrier, product('q'))])).toBe('{ p | q }')
    expect(line([turn('a'), barrier, layers(barrier, product('p'), barrier), product('q')])).toBe('a | { | [p] | } q')
  })
})
