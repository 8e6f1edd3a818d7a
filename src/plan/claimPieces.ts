import { kernels } from '../kernels/registry.ts'
import type { Barrier, Call, Program, Repeat, Step } from './program.ts'

/**
 * Lets threads claim pieces of the calls between two barriers where one of them may be divided finely: whoever is done first
 * takes over from whoever is held up. A piece of such calls is what a part is with more parts, so no result changes. Wants a
 * program whose threads are planned.
 */
export function claimPieces(program: Program): Program {
  const steps = program.steps.map((step) => (step.kind === 'repeat' ? { ...step, body: claimIn(step.body, {}) } : step))
  return { ...program, steps: claimIn<Step>(steps, { begins: true, ends: true }) }
}

/** `begins`, `ends`: threads meet before the first step, and behind the last one. */
function claimIn<S extends Step>(
  steps: readonly S[],
  { begins = false, ends = false }: { readonly begins?: boolean; readonly ends?: boolean },
): readonly S[] {
  const isApart = (from: number, to: number) =>
    (from === 0 ? begins : steps[from - 1]!.kind === 'barrier') &&
    (to === steps.length ? ends : steps[to]!.kind === 'barrier')
  const out: S[] = []
  for (let from = 0; from < steps.length; ) {
    let to = from
    while (to < steps.length && steps[to]!.kind === 'call') to++
    const calls = steps.slice(from, to)
    const isClaimed = calls.some((step) => isFine(step)) && isApart(from, to)
    out.push(...(isClaimed ? calls.map((step) => ({ ...step, isClaimed })) : calls))
    // What ended the calls: a barrier or a repeat.
    out.push(...steps.slice(to, to + 1))
    from = to + 1
  }
  return out
}

function isFine(step: Call | Barrier | Repeat): boolean {
  return step.kind === 'call' && kernels.get(step.kernel)!.split.fine === true
}
