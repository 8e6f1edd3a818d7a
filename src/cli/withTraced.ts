import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Checkpoint } from '../formats/checkpoint.ts'
import type { Graph } from '../ir/graph.ts'
import type { Isa } from '../kernels/kernel.ts'
import type { CacheDtype } from '../ops/cacheWrite.ts'
import type { MemoryPlan } from '../plan/planMemory.ts'
import type { Program } from '../plan/program.ts'
import type { Model as BuiltModel, Session } from '../run/session.ts'
import type { Model } from '../templates/readModel.ts'
import type { Io } from './command.ts'
import { given } from './given.ts'
import { buildsFolder, placeBeside } from './keptBuilds.ts'

/** A checkpoint that was built with a place for every value of a step, open to run. */
export interface Traced {
  readonly checkpoint: Checkpoint
  readonly model: Model
  /** The graph after all passes, and its trace program. */
  readonly graph: Graph
  readonly program: Program
  readonly plan: MemoryPlan
  readonly isa: Isa
  readonly built: BuiltModel
  readonly session: Session
}

/** How such a build is made; `step`: tokens of one call. */
export interface TracedOptions {
  readonly step: number
  readonly context: number
  readonly strict?: true
  readonly cache?: CacheDtype
  readonly target?: string
  readonly threads?: number
}

/** Builds a checkpoint with taps in a folder of its own, and removes it after `use`. `choose` sees the model first. */
export async function withTraced<T>(
  path: string,
  choose: (model: Model) => TracedOptions,
  io: Io,
  use: (traced: Traced) => Promise<T>,
): Promise<T> {
  const { compile, planModel } = await import('../compile.ts')
  const { resolveTarget } = await import('../build/targets.ts')
  const { openCheckpoint } = await import('../formats/openCheckpoint.ts')
  const { load } = await import('../run/session.ts')
  const { readModel } = await import('../templates/readModel.ts')
  const checkpoint = openCheckpoint(path)
  const dir = placeBeside(join(buildsFolder(), 'trace'))
  try {
    const { strict, cache, target: targetName, threads, context, step } = choose(readModel(checkpoint))
    const model = readModel(checkpoint, context)
    const target = resolveTarget(targetName)
    const options = { ...given({ strict, cache }), target: target.name, context, prefillTokens: step, trace: true }
    const { graph, source } = planModel(checkpoint, model, target, options)
    await compile(path, { ...options, out: dir, signal: io.signal, onProgress: io.progress.show })
    io.progress.end()
    const built = await load(dir)
    try {
      const session = built.session(given({ threads }))
      const program = source.programs[0]!
      return await use({ checkpoint, model, graph, program, plan: source.plan, isa: target.isa, built, session })
    } finally {
      await built.close()
    }
  } finally {
    checkpoint.close()
    rmSync(dir, { recursive: true, force: true })
  }
}
