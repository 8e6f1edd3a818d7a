import { itemDim, itemName } from '../kernels/kernel.ts'
import { kernels } from '../kernels/registry.ts'
import type { Program } from '../plan/program.ts'
import type { ProgramSource } from './modelSource.ts'

/** Pretty JSON that ends with a newline: the form of all artifacts. */
export function printJson(value: unknown): string {
  return `${JSON.stringify(value, null, 1)}\n`
}

/** layout.json: every weight and buffer with its bytes, lifetime and shape. */
export function printLayout({ plan, programs }: ProgramSource): string {
  return printJson({
    weightsBytes: plan.weightsBytes,
    memoryBytes: plan.memoryBytes,
    stateBytes: plan.stateBytes,
    weights: plan.weights,
    buffers: Object.fromEntries(programs.map(({ mode }) => [mode, plan.buffers[mode]])),
  })
}

/** threads.json: per call what is divided among threads, and where they meet. */
export function printThreads({ programs }: ProgramSource): string {
  return printJson(
    Object.fromEntries(
      programs.map((program) => [
        program.mode,
        { barriers: countBarriers(program), steps: program.steps.map(describeStep) },
      ]),
    ),
  )
}

/** Barriers of one step, and of one round of its repeats. */
export function countBarriers(program: Program): { step: number; perLayer: number[] } {
  const repeats = program.steps.filter((step) => step.kind === 'repeat')
  const perLayer = repeats.map(({ body }) => body.filter(({ kind }) => kind === 'barrier').length)
  const outside = program.steps.filter(({ kind }) => kind === 'barrier').length
  return { step: outside + repeats.reduce((sum, { count }, i) => sum + count * perLayer[i]!, 0), perLayer }
}

function describeStep(step: Program['steps'][number]): unknown {
  if (step.kind === 'barrier') return 'barrier'
  if (step.kind === 'repeat') return { repeat: step.count, steps: step.body.map(describeStep) }
  const { items, own } = kernels.get(step.kernel)!.split
  const divides = items.map((item) => `${itemName(item)}: ${step.dims[itemDim(item)]}`)
  const claimed = step.isClaimed ? { claimed: 'in pieces' } : {}
  return { call: step.name, kernel: step.kernel, divides, own, ...claimed }
}
