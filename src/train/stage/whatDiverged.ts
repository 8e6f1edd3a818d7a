import { CkError } from '../../base/errors.ts'
import type { Batch } from '../data/dataSet.ts'
import type { TracedGraph } from '../program/compileTraining.ts'
import type { Trainer } from '../program/trainer.ts'
import { firstNonFinite } from '../program/trainingTrace.ts'
import { giveBatch } from './giveBatch.ts'

/** A trace of a stage's step that is open to run. */
export interface OpenTrace {
  readonly trainer: Trainer
  readonly traced: TracedGraph
  close(): Promise<void>
}

/** A step that gave numbers that are not finite. */
export interface DivergedStep {
  /** With the weights as they stand, and the states of the step. */
  readonly trainer: Trainer
  readonly loss: number
  readonly norm?: number | undefined
  readonly parts: readonly Batch[]
  readonly total: number
  /** Whether the weights are still those that the step began with. */
  readonly isUntouched: boolean
  readonly openTrace?: (() => Promise<OpenTrace>) | undefined
}

/**
 * One sentence on a step whose loss or norm is no finite number: which value was the first, and the op that made it, where the
 * weights are still those that it was made of; else which weights have a gradient that is not finite.
 */
export async function whatDiverged(step: DivergedStep): Promise<string> {
  const { trainer, loss, norm, isUntouched, openTrace } = step
  const what = Number.isFinite(loss) ? `the norm of the gradients is ${norm}` : `the loss is ${loss}`
  const gradients = describeGradients(trainer)
  if (!isUntouched || !openTrace) return `${what}${gradients}`
  try {
    const first = await findFirst(step, openTrace)
    if (!first) return `${what}, and every value of the step is finite: squares of gradients are not${gradients}`
    const weight =
      first.weight === undefined ? '' : `, which reads the weight ${first.weight}, that is not finite itself`
    return `${what}: the first value that is not finite is ${first.value}, made by the op ${first.op}${weight}`
  } catch (error) {
    if (!(error instanceof CkError)) throw error
    return `${what}${gradients}; the op that began it cannot be named (${error.message})`
  }
}

/** Runs the parts of the step again, with a place for every value, until one has a value that is not finite. */
async function findFirst({ trainer, parts, total }: DivergedStep, openTrace: () => Promise<OpenTrace>) {
  const trace = await openTrace()
  try {
    for (const { name } of trace.traced.graph.states) {
      const into = trace.trainer.bytes(name)
      into.set(trainer.bytes(name).subarray(0, into.length))
    }
    for (const part of parts) {
      giveBatch(trace.trainer, part, total)
      const first = await firstNonFinite(trace.trainer, trace.traced)
      if (first) return first
    }
    return undefined
  } finally {
    await trace.close()
  }
}

/** The weights with gradients whose sums of squares are not finite. */
function describeGradients(trainer: Trainer): string {
  const ending = '.squares'
  const weights = trainer.names
    .filter((name) => name.endsWith(ending) && !trainer.values(name).every(Number.isFinite))
    .map((name) => name.slice(0, -ending.length))
  if (weights.length === 0) return ''
  const others = weights.length > 1 ? ` and of ${weights.length - 1} more` : ''
  return `, those of ${weights[0]}${others} are not finite`
}
