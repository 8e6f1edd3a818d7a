import { findCompiler } from './build/compiler.ts'
import { compileFolder } from './build/compileFolder.ts'
import { resolveTarget, type Target } from './build/targets.ts'
import { writeRunFolder } from './build/writeRunFolder.ts'
import { printJson } from './emit/artifacts.ts'
import type { ProgramSource } from './emit/modelSource.ts'
import { printTrainer, printTrainerHeader } from './emit/printTrainer.ts'
import type { Graph } from './ir/graph.ts'
import { isas } from './kernels/kernel.ts'
import { ops } from './ops/registry.ts'
import type { BatchSize } from './passes/bindSizes.ts'
import { type TrainingPrograms, trainingPrograms, type UpdateSettings } from './passes/trainingPrograms.ts'
import { lower } from './plan/lower.ts'
import { matchSplits } from './plan/matchSplits.ts'
import { planMemory } from './plan/planMemory.ts'
import { planThreads } from './plan/planThreads.ts'
import { verifyProgram } from './plan/verifyProgram.ts'
import type { Model } from './templates/readModel.ts'

export interface CompileTrainingOptions extends BatchSize {
  /** The run folder to write; replaced as a whole where it is an earlier run folder. */
  readonly out: string
  /** How weights are changed; absent: no weights are, and the program gives gradients only. */
  readonly update?: UpdateSettings
  /** Whether a step's gradients come from several batches. */
  readonly accumulates?: boolean
  /** Weights that stay as they are. */
  readonly isFrozen?: (weight: string) => boolean
  /** A target's name; default `native`. */
  readonly target?: string
  /** The C compiler's command; default: CC, cc, gcc, clang, zig cc, whichever is found first. */
  readonly cc?: string
  readonly signal?: AbortSignal
  /** Called with how much of the compilation is done, 0 to 1. */
  readonly onProgress?: (done: number) => void
}

/**
 * Compiles the training of a model to a run folder: C for exactly this model, this batch and this target, and the library
 * `libtrain.so` built from it. Weights are given to the program when it runs. Refuses with CkError; a refusal or an abort
 * leaves nothing behind.
 */
export async function compileTraining(
  model: Model,
  name: string,
  options: CompileTrainingOptions,
): Promise<{ dir: string; target: Target }> {
  const target = resolveTarget(options.target)
  const compiler = await findCompiler(options.cc === undefined ? {} : { cc: options.cc })
  const { source, programs } = planTraining(model, name, target, options)
  const files = {
    'ir1.json': printJson(model.graph),
    'ir2.json': printJson(programs.ir2),
    ...Object.fromEntries(source.programs.map((program) => [`lowered_${program.mode}.json`, printJson(program)])),
    'manifest.json': printJson(manifestOf(source, programs, options)),
    'model.c': printTrainer(source),
    'model.h': printTrainerHeader(source),
  }
  await writeRunFolder(options.out, { source, engine: 'training', files }, target, async (dir) => {
    const { signal, onProgress } = options
    await compileFolder(dir, {
      ...{ target, compiler },
      ...(signal ? { signal } : {}),
      ...(onProgress ? { onProgress } : {}),
    })
  })
  return { dir: options.out, target }
}

/** graph → passes → programs → memory → threads: everything before text. */
export function planTraining(
  model: Model,
  name: string,
  target: Target,
  options: Omit<CompileTrainingOptions, 'out'>,
): { source: ProgramSource; programs: TrainingPrograms } {
  const programs = trainingPrograms(model.graph, {
    ...options,
    isFrozen: (weight) => model.sources.get(weight)?.from !== 'tensor' || (options.isFrozen?.(weight) ?? false),
  })
  const { lanes } = isas[target.isa]
  const lowered = Object.entries(programs.graphs).map(([mode, graph]: [string, Graph]) =>
    matchSplits(lower(graph, ops, { mode: mode as keyof typeof programs.graphs, bounds: {}, lanes })),
  )
  const plan = planMemory(lowered)
  const source: ProgramSource = {
    name,
    template: model.template,
    target,
    programs: lowered.map((program) => verifyProgram(planThreads(program, plan), plan)),
    plan,
    shared: ['state', 'input', 'output'],
  }
  return { source, programs }
}

function manifestOf(
  { name, template, target, plan }: ProgramSource,
  { trainable, graphs }: TrainingPrograms,
  { batch, length }: BatchSize,
): unknown {
  return {
    ...{ format: 1, kind: 'training', name, template, target: target.name, batch, length },
    programs: Object.keys(graphs),
    trainable,
    memoryBytes: plan.memoryBytes,
    stateBytes: plan.stateBytes,
  }
}
