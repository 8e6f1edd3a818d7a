import type { Barrier, Call, Mode, Program, Repeat } from './program.ts'

/** A place in a program that a profile build counts. */
export interface Site {
  readonly mode: Mode
  /** `call`: a kernel; `wait`: a barrier, or the last one, which ends the step; `step`: the whole step. */
  readonly kind: 'call' | 'wait' | 'step'
  /** The repeat's name where the site is in one, counted from 1: `layer`, `layer_2`; empty outside. */
  readonly layer: string
  /** How often a step passes it. */
  readonly rounds: number
  /** What the call makes; of a wait, what the call behind it makes; empty for the end of a step. */
  readonly value: string
  readonly call?: Call
  readonly repeat?: Repeat
  readonly barrier?: Barrier
}

/** The sites of all programs, in the order of their numbers: those of each step as it runs, its last wait, the step. */
export function sitesOf(programs: readonly Program[]): readonly Site[] {
  return programs.flatMap(({ mode, steps }) => {
    let repeats = 0
    const inner = steps.flatMap((step, i) => {
      if (step.kind !== 'repeat') return [siteOf(step, nameAfter(steps, i), { mode, layer: '', rounds: 1 })]
      repeats++
      const where = { mode, layer: repeats === 1 ? 'layer' : `layer_${repeats}`, rounds: step.count, repeat: step }
      return step.body.map((own, at) => siteOf(own, nameAfter(step.body, at), where))
    })
    const whole = { mode, layer: '', rounds: 1, value: '' }
    return [...inner, { ...whole, kind: 'wait' as const }, { ...whole, kind: 'step' as const }]
  })
}

function siteOf(step: Call | Barrier, after: string, where: Pick<Site, 'mode' | 'layer' | 'rounds' | 'repeat'>): Site {
  if (step.kind === 'barrier') return { ...where, kind: 'wait', value: after, barrier: step }
  return { ...where, kind: 'call', value: (step.makes ?? [step.name]).join(', '), call: step }
}

function nameAfter(steps: Program['steps'], at: number): string {
  const next = steps[at + 1]
  return next?.kind === 'call' ? next.name : ''
}
