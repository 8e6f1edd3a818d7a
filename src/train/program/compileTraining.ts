import { fail } from '../../base/errors.ts'
import { compileFolder } from '../../build/compileFolder.ts'
import { findCompiler } from '../../build/compiler.ts'
import { resolveTarget, type Target } from '../../build/targets.ts'
import { writeRunFolder } from '../../build/writeRunFolder.ts'
import { printJson } from '../../emit/artifacts.ts'
import type { ProgramSource } from '../../emit/modelSource.ts'
import { printTrainer, printTrainerHeader } from '../../emit/printTrainer.ts'
import { type Graph, nodeName } from '../../ir/graph.ts'
import { isas } from '../../kernels/kernel.ts'
import { kernels } from '../../kernels/registry.ts'
import { ops } from '../../ops/registry.ts'
import type { Kept } from '../../passes/recompute.ts'
import { type TrainingProgramOptions, type TrainingPrograms, trainingPrograms } from '../../passes/trainingPrograms.ts'
import { type Canaries, canariesOf, phasesOf } from '../../plan/canaries.ts'
import { foldLayers } from '../../plan/foldLayers.ts'
import { gatherCalls } from '../../plan/gatherCalls.ts'
import { lower } from '../../plan/lower.ts'
import { matchSplits } from '../../plan/matchSplits.ts'
import { type MemoryPlan, planMemory } from '../../plan/planMemory.ts'
import { planThreads } from '../../plan/planThreads.ts'
import { callsOf, type Mode, type Program, type TrainingMode, type ValuePlace } from '../../plan/program.ts'
import { shareScratch } from '../../plan/shareScratch.ts'
import { verifyProgram } from '../../plan/verifyProgram.ts'
import type { Model } from '../../templates/readModel.ts'

export interface CompileTrainingOptions extends Omit<TrainingProgramOptions, 'kept'> {
  /** The run folder to write; replaced as a whole where it is an earlier run folder. */
  readonly out: string
  /** The most bytes of memory that training may take: what does not fit is computed again. Absent: no bound. */
  readonly memory?: number
  /**
   * Whether every call is watched: a step in which one writes beyond its buffers is refused, with the names of both. Changes no
   * number; takes memory behind every buffer, and time.
   */
  readonly debug?: boolean
  /**
   * In place of the others one program `trace`: that of the gradients, with a place for every value. Neither `update` nor
   * `memory` counts then.
   */
  readonly trace?: boolean
  /** A target's name; default `native`. */
  readonly target?: string
  /** The C compiler's command; default: CC, cc, gcc, clang, zig cc, whichever is found first. */
  readonly cc?: string
  readonly signal?: AbortSignal
  /** Called with how much of the compilation is done, 0 to 1. */
  readonly onProgress?: (done: number) => void
}

/** A training program in its run folder. */
export interface CompiledTraining {
  readonly dir: string
  readonly target: Target
  /** ir2 */
  readonly graph: Graph
  readonly trainable: readonly string[]
  /** Floating-point operations of the first program: a step, or the gradients of a part of one. */
  readonly flops: number
  readonly memoryBytes: number
  /** Of a build with `trace`. */
  readonly traced?: TracedGraph
}

/** The graph of a trace program, and where its values lie. */
export interface TracedGraph {
  readonly graph: Graph
  readonly places: ReadonlyMap<string, ValuePlace>
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
): Promise<CompiledTraining> {
  const target = resolveTarget(options.target)
  const compiler = await findCompiler(options.cc === undefined ? {} : { cc: options.cc })
  const planned = planTraining(model, name, target, options)
  const { source, programs } = planned
  const files = {
    'ir1.json': printJson(model.graph),
    'ir2.json': printJson(programs.ir2),
    ...Object.fromEntries(source.programs.map((program) => [`lowered_${program.mode}.json`, printJson(program)])),
    'manifest.json': printJson(manifestOf(planned, options)),
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
  const { ir2: graph, trainable } = programs
  return {
    ...{ dir: options.out, target, graph, trainable, flops: flopsOf(source), memoryBytes: source.plan.memoryBytes },
    ...(options.trace ? { traced: tracedGraph(planned) } : {}),
  }
}

function tracedGraph({ source, programs }: PlannedTraining): TracedGraph {
  const places = new Map(source.programs[0]!.values.map((place) => [place.value, place]))
  return { graph: programs.graphs.gradients!, places }
}

/** A training with its places and barriers, and its graphs. */
export interface PlannedTraining {
  readonly source: ProgramSource
  readonly programs: TrainingPrograms
}

/**
 * graph → passes → programs → memory → threads: everything before text. With a bound for the memory as few layers as it takes
 * are made again, first what costs little, and calls are left in their order where to gather them takes too much. Refuses
 * `option_invalid` where no choice fits.
 */
export function planTraining(
  model: Model,
  name: string,
  target: Target,
  options: Omit<CompileTrainingOptions, 'out'>,
): PlannedTraining {
  const memory = options.trace ? Number.POSITIVE_INFINITY : (options.memory ?? Number.POSITIVE_INFINITY)
  const plan = (kept: (layer: number) => Kept) => {
    const fast = planKept(model, name, target, options, kept, gathered)
    if (bytesOf(fast) <= memory) return fast
    const plain = planKept(model, name, target, options, kept, inOrder)
    return bytesOf(plain) < bytesOf(fast) ? plain : fast
  }
  const whole = plan(() => 'all')
  if (bytesOf(whole) <= memory) return whole
  const layers = layerCount(model.graph)
  let least = whole
  for (const [less, more] of [
    ['products', 'all'],
    ['inputs', 'products'],
  ] as const) {
    const first = (count: number) => plan((layer) => (layer < count ? less : more))
    least = first(layers)
    if (bytesOf(least) > memory) continue
    let [low, high, found] = [0, layers, least]
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      const tried = first(middle)
      if (bytesOf(tried) <= memory) [high, found] = [middle, tried]
      else low = middle
    }
    return found
  }
  return fail('option_invalid', {
    option: '--memory',
    found: String(memory),
    accepted: `at least ${bytesOf(least)} bytes for this model and batch, or a smaller batch`,
  })
}

type Order = (program: Program) => Program

/** Calls in the order of the graph, each with a scratch of its own; or with few barriers, for bytes that rest longer. */
const inOrder: Order = (program) => program
const gathered: Order = (program) => gatherCalls(shareScratch(program))

function planKept(
  model: Model,
  name: string,
  target: Target,
  options: Omit<CompileTrainingOptions, 'out'>,
  kept: (layer: number) => Kept,
  order: Order,
): PlannedTraining {
  const isFrozen = (weight: string) =>
    model.sources.get(weight)?.from !== 'tensor' || (options.isFrozen?.(weight) ?? false)
  const { update, trace = false, ...others } = options
  const updating = trace || update === undefined ? {} : { update }
  const programs = trainingPrograms(model.graph, { ...others, ...updating, isFrozen, kept })
  const { lanes } = isas[target.isa]
  const { gradients, copy } = programs.graphs
  const graphs: [string, Graph][] = trace
    ? [['trace', gradients!], ...(copy ? [['copy', copy] as [string, Graph]] : [])]
    : Object.entries(programs.graphs)
  const lowered = graphs.map(([mode, graph]) =>
    order(matchSplits(lower(graph, ops, { mode: mode as Mode, bounds: {}, lanes }))),
  )
  const { debug = false } = options
  const plan = planMemory(lowered, { guards: debug })
  const source: ProgramSource = {
    name,
    template: model.template,
    target,
    programs: lowered.map((program) => verifyProgram(foldLayers(planThreads(program, plan)), plan)),
    plan,
    shared: ['state', 'input', 'output', ...(trace ? ['activation' as const] : [])],
    ...(debug ? { canaries: lowered.map((program) => watched(program, plan, programs)) } : {}),
  }
  return { source, programs }
}

function watched(program: Program, plan: MemoryPlan, { graphs }: TrainingPrograms): Canaries {
  const graph = graphs[program.mode as TrainingMode]!
  return canariesOf(program, plan, phasesOf(graph, ops, program.mode))
}

function bytesOf({ source }: PlannedTraining): number {
  return source.plan.memoryBytes
}

function layerCount({ nodes }: Graph): number {
  return nodes.reduce((most, node) => Math.max(most, Number(/^blk\.(\d+)\./.exec(nodeName(node))?.[1] ?? -1) + 1), 0)
}

function manifestOf({ source, programs }: PlannedTraining, { size }: Pick<TrainingProgramOptions, 'size'>): unknown {
  const { name, template, target, plan, canaries } = source
  return {
    ...{ format: 1, kind: 'training', name, template, target: target.name, ...size },
    programs: source.programs.map(({ mode }) => mode),
    trainable: programs.trainable,
    memoryBytes: plan.memoryBytes,
    stateBytes: plan.stateBytes,
    ...(canaries ? { debug: true } : {}),
  }
}

function flopsOf({ programs: [first] }: ProgramSource): number {
  let sum = 0
  for (const { call, repeat } of callsOf(first!.steps)) {
    const dims = Object.fromEntries(Object.entries(call.dims).map(([name, dim]) => [name, Number(dim)]))
    sum += (repeat?.count ?? 1) * kernels.get(call.kernel)!.flops(dims)
  }
  return sum
}
