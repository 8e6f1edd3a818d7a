import { rmSync } from 'node:fs'
import { freemem } from 'node:os'
import { fail } from '../../base/errors.ts'
import type { Precision } from '../../base/precisions.ts'
import type { BatchSize } from '../../passes/bindSizes.ts'
import type { Model } from '../../templates/readModel.ts'
import { Trainer } from '../program/trainer.ts'
import { compileTrainingTrace } from '../program/trainingTrace.ts'
import type { OpenTrace } from '../stage/whatDiverged.ts'

/** How the trace of a stage is made; `out`: its folder, which closing the trace removes. */
export interface TraceOptions {
  readonly size: BatchSize
  readonly out: string
  readonly threads: number
  readonly precision: Precision
  readonly target?: string
}

/** Compiles and opens the trace of a stage's step. Refuses as `compileTraining`, and where the values do not fit the memory. */
export async function openTrace(
  model: Model,
  { size, out, threads, precision, target }: TraceOptions,
): Promise<OpenTrace> {
  const remove = () => rmSync(out, { recursive: true, force: true })
  try {
    const { traced, memoryBytes } = await compileTrainingTrace(model, 'trace', {
      ...{ size, out, precision },
      ...(target ? { target } : {}),
    })
    if (memoryBytes > freemem()) {
      const accepted = `at most ${freemem()} bytes, which are free`
      fail('option_invalid', { option: 'memory of all values', found: String(memoryBytes), accepted })
    }
    const trainer = Trainer.open(out, { threads })
    const close = async () => {
      await trainer.close()
      remove()
    }
    return { trainer, traced, close }
  } catch (error) {
    remove()
    throw error
  }
}
