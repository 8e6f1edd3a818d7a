import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { dtypes } from './base/dtypes.ts'
import { fail } from './base/errors.ts'
import { compileFolder } from './build/compileFolder.ts'
import { findCompiler } from './build/compiler.ts'
import { resolveTarget, type Target } from './build/targets.ts'
import { writeRunFolder } from './build/writeRunFolder.ts'
import { type ChatArtifact, type GivenTemplate, makeChatArtifact } from './chat/chatArtifact.ts'
import { printChatSource } from './chat/printChatSource.ts'
import { printJson } from './emit/artifacts.ts'
import type { ModelSource } from './emit/modelSource.ts'
import { printModel } from './emit/printModel.ts'
import { printModelHeader } from './emit/printModelHeader.ts'
import { beginBump } from './formats/bump.ts'
import type { Checkpoint } from './formats/checkpoint.ts'
import { openCheckpoint } from './formats/openCheckpoint.ts'
import type { Graph } from './ir/graph.ts'
import { isas } from './kernels/kernel.ts'
import type { CacheDtype } from './ops/cacheWrite.ts'
import { ops } from './ops/registry.ts'
import { optimize } from './passes/optimize.ts'
import { canariesOf } from './plan/canaries.ts'
import { claimPieces } from './plan/claimPieces.ts'
import { foldLayers } from './plan/foldLayers.ts'
import { foldRepeats } from './plan/foldRepeats.ts'
import { lower } from './plan/lower.ts'
import { matchSplits } from './plan/matchSplits.ts'
import { packWeights } from './plan/packWeights.ts'
import { planMemory } from './plan/planMemory.ts'
import { planThreads } from './plan/planThreads.ts'
import type { Mode } from './plan/program.ts'
import { sitesOf } from './plan/sites.ts'
import { verifyProgram } from './plan/verifyProgram.ts'
import { type Model, readModel } from './templates/readModel.ts'
import { readRows } from './templates/weightRows.ts'
import { rowsAndColsOf } from './templates/weightSource.ts'
import { compileTokenizer } from './tokenizer/compileTokenizer.ts'
import type { TokenizerContract } from './tokenizer/contract.ts'
import { readTokenizer } from './tokenizer/readTokenizer.ts'
import type { TrainedModel, TrainOptions } from './train/trainModel.ts'

export interface CompileOptions {
  /** The run folder to write; replaced as a whole where it is an earlier run folder. */
  readonly out: string
  /** A target's name; default `native`. */
  readonly target?: string
  /** Tokens that one context holds; default: the checkpoint's, at most 4096. */
  readonly context?: number
  /** Sequences that one context holds, each of `context` tokens; 1 .. 1024, default 1. */
  readonly sequences?: number
  /** Compute in f32 whatever the weights. */
  readonly strict?: boolean
  /** Format of the key and value caches; default f16 where weights are block-quantised, else f32. */
  readonly cache?: CacheDtype
  /** Tokens of a prefill step; default 512. */
  readonly prefillTokens?: number
  /** Keep every value in bytes of its own, to be read after a step: for parity and inspection. */
  readonly trace?: boolean
  /** Count what each kernel call and each wait of threads costs (`session.profile()`). Changes no number. */
  readonly profile?: boolean
  /**
   * Whether every call is watched: a step in which one writes beyond its buffers, as large as they are for the largest step, is
   * refused, with the names of both. Changes no number; takes memory behind every buffer, and time.
   */
  readonly debug?: boolean
  /** A chat template in place of the checkpoint's own. */
  readonly template?: GivenTemplate
  /** The C compiler's command; default: CC, cc, gcc, clang, zig cc, whichever is found first. */
  readonly cc?: string
  readonly signal?: AbortSignal
  /** Called with the name of each stage and how much of it is done, 0 to 1. */
  readonly onProgress?: (stage: CompileStage, done: number) => void
}

export type CompileStage = 'plan' | 'weights' | 'compile'

/** Tokens that a context holds where neither the caller nor the checkpoint asks for fewer. */
export const defaultContext = 4096
const defaultPrefillTokens = 512
/** Logits rows per step: enough to score a text in few steps, few enough to stay small at 150,000 columns. */
const outputRows = 16
/** More would only be a slip of the finger. */
const mostSequences = 1024
/** Caches hold whole panels of keys on every target. */
const contextUnit = 64

/** A run folder, and what may be done with the model that it was made of. */
export interface Compiled {
  readonly dir: string
  readonly target: Target
  /** Trains the model, which stays as it is; an open checkpoint must still be open. */
  train(options: TrainOptions): Promise<TrainedModel>
}

/**
 * Compiles a checkpoint (the path of a GGUF file, shard set or transformers folder, or an open one, which stays open) to a
 * run folder: C for exactly this model and target, its weights, and the library and executable built from them. Refuses
 * with CkError; a refusal or an abort leaves nothing behind.
 */
export async function compile(given: string | Checkpoint, options: CompileOptions): Promise<Compiled> {
  const target = resolveTarget(options.target)
  const compiler = await findCompiler(options.cc === undefined ? {} : { cc: options.cc })
  const checkpoint = typeof given === 'string' ? openCheckpoint(given) : given
  try {
    const model = readModel(checkpoint, options.context ?? defaultContext)
    const plan = planModel(checkpoint, model, target, options)
    const tokenizer = readTokenizer(checkpoint.description, checkpoint.path)
    const { description, path } = checkpoint
    const chat = tokenizer && makeChatArtifact(description, path, options.template)
    const signal = options.signal ? { signal: options.signal } : {}
    const source = { ...plan.source, hasChat: chat?.contract != null }
    const files = {
      ...artifacts(model, plan, tokenizer !== undefined, chat, options),
      ...chatFiles(chat),
      'model.c': printModel(source),
      'model.h': printModelHeader(source),
    }
    await writeRunFolder(options.out, { source, engine: 'model', files }, target, async (dir) => {
      await writeWeights(`${dir}/weights.bump`, checkpoint, model, plan, target, tokenizer, options)
      const onProgress = (done: number) => options.onProgress?.('compile', done)
      await compileFolder(dir, { target, compiler, onProgress, ...signal })
    })
    const train: Compiled['train'] = async (how) => (await import('./train/trainModel.ts')).trainModel(given, how)
    return { dir: options.out, target, train }
  } finally {
    if (typeof given === 'string') checkpoint.close()
  }
}

/** Level 1 after all passes, and level 2 with its places: everything before text. */
export interface PlannedModel {
  readonly graph: Graph
  readonly source: ModelSource
  /** Format of the key and value caches. */
  readonly cache: CacheDtype
}

/** graph → passes → programs → folded layers → memory → threads, for each mode. */
export function planModel(
  checkpoint: Checkpoint,
  model: Model,
  target: Target,
  options: Omit<CompileOptions, 'out'>,
): PlannedModel {
  options.onProgress?.('plan', 0)
  const context = options.context ?? Math.min(model.sizes.context, defaultContext)
  checkContext(context, model.sizes.context)
  const sequences = checkSequences(options.sequences ?? 1)
  const isQuantised = model.graph.weights.some(({ type }) => dtypes[type.dtype].blockElements > 1)
  const isEncoder = model.sizes.embedding !== undefined
  const cache = {
    context: Math.ceil(context / contextUnit) * contextUnit,
    sequences,
    // An encoder's keys and values live for one layer only.
    dtype: options.cache ?? (isQuantised && !options.strict && !isEncoder ? 'f16' : 'f32'),
  } as const
  const graph = optimize(model.graph, { cache, strict: options.strict ?? false })
  const lanes = isas[target.isa].lanes
  const prefill = isEncoder ? context : Math.min(options.prefillTokens ?? defaultPrefillTokens, context)
  const outputs = Math.min(outputRows, prefill)
  // A decode step takes a token of each sequence, and each may want its logits.
  const decode = Math.min(sequences, outputs)
  const modes: [Mode, bounds: { tokens: number; outputs: number }][] = options.trace
    ? [['trace', { tokens: prefill, outputs: prefill }]]
    : isEncoder
      ? [['encode', { tokens: prefill, outputs: 1 }]]
      : [
          ['prefill', { tokens: prefill, outputs }],
          ['decode', { tokens: decode, outputs: decode }],
        ]
  const { debug = false } = options
  const lowered = modes.map(([mode, bounds]) => {
    const program = matchSplits(lower(graph, ops, { mode, bounds, lanes }))
    // What is watched has a name of its own in every layer.
    return mode === 'trace' || debug ? program : foldRepeats(program)
  })
  const plan = planMemory(lowered, { guards: debug })
  const programs = lowered.map((program) => {
    const parted = planThreads(program, plan)
    // Between the calls of a debug build all threads look at its guards.
    return verifyProgram(debug ? foldLayers(parted) : claimPieces(parted), plan)
  })
  options.onProgress?.('plan', 1)
  const layout = JSON.stringify([target.isa, lanes, plan.weights])
  const source: ModelSource = {
    name: checkpoint.name,
    template: model.template,
    target,
    weightsId: createHash('sha256').update(layout).digest('hex'),
    stateId: createHash('sha256')
      .update(`${layout}${JSON.stringify([graph.nodes, statesOf(graph)])}`)
      .digest('hex'),
    vocabulary: model.sizes.vocabulary,
    ...(isEncoder ? { embedding: model.sizes.embedding } : {}),
    context,
    sequences,
    outputRows: programs[0]!.bounds.outputs!,
    programs,
    plan,
    shared: ['input', 'output'],
    ...(debug ? { canaries: lowered.map((program) => canariesOf(program, plan, new Map())) } : {}),
    ...(options.profile ? { sites: sitesOf(programs) } : {}),
  }
  return { graph, source, cache: cache.dtype }
}

/** The states of a graph, without the sizes that change no byte of what they hold: sequences and positions. */
function statesOf({ states }: Graph): unknown {
  return states.map(({ name, type }) => [name, type.dtype, type.shape.length])
}

function checkContext(context: number, trained: number): void {
  if (Number.isInteger(context) && context >= 1 && context <= trained) return
  fail('option_invalid', {
    option: '--context',
    found: String(context),
    accepted: `1 to ${trained}, the checkpoint's own`,
  })
}

function checkSequences(sequences: number): number {
  if (Number.isInteger(sequences) && sequences >= 1 && sequences <= mostSequences) return sequences
  return fail('option_invalid', { option: '--sequences', found: String(sequences), accepted: `1 to ${mostSequences}` })
}

/** The files of the run folder that say what was compiled, besides the C. */
function artifacts(
  model: Model,
  { graph, source, cache }: PlannedModel,
  hasTokenizer: boolean,
  chat: ChatArtifact | undefined,
  options: CompileOptions,
): Record<string, string> {
  const manifest = {
    format: 1,
    name: source.name,
    template: source.template,
    target: source.target.name,
    strict: options.strict ?? false,
    cache,
    ...(source.sites ? { profile: true } : {}),
    ...(source.canaries ? { debug: true } : {}),
    context: source.context,
    sequences: source.sequences,
    vocabulary: source.vocabulary,
    ...(source.embedding ? { embedding: source.embedding } : {}),
    hasTokenizer,
    ...(chat ? { chat: chat.contract ? { isContract: true } : { isContract: false, reason: chat.reason } } : {}),
    weightsId: source.weightsId,
    weightsBytes: source.plan.weightsBytes,
    memoryBytes: source.plan.memoryBytes,
    weights: source.plan.weights,
  }
  return {
    'ir1.json': printJson(model.graph),
    'ir1_optimized.json': printJson(graph),
    ...Object.fromEntries(source.programs.map((program) => [`lowered_${program.mode}.json`, printJson(program)])),
    'manifest.json': printJson(manifest),
  }
}

/** What a model with a chat template has besides: chat.json, and chat.c for the stand-alone executable. */
function chatFiles(chat: ChatArtifact | undefined): Record<string, string> {
  if (!chat) return {}
  const source = chat.contract ? { 'chat.c': printChatSource(chat.contract) } : {}
  return { 'chat.json': printJson(chat), ...source }
}

/** Packs the weights into weights.bump; between pieces the event loop runs, so that an abort is heard. */
async function writeWeights(
  path: string,
  checkpoint: Checkpoint,
  model: Model,
  { source }: PlannedModel,
  target: Target,
  tokenizer: TokenizerContract | undefined,
  { signal, onProgress, out }: CompileOptions,
): Promise<void> {
  const { plan } = source
  const sourceOf = (name: string) => model.sources.get(name)!
  const pieces = packWeights(
    plan,
    isas[target.isa].lanes,
    (name) => rowsAndColsOf(sourceOf(name)).rows,
    (name, dtype, from, count) => readRows(checkpoint, name, sourceOf(name), dtype, from, count),
  )
  const bump = beginBump(path, { weightsId: Buffer.from(source.weightsId, 'hex'), weightsBytes: plan.weightsBytes })
  try {
    let done = 0
    for (const piece of pieces) {
      bump.append(piece)
      done += piece.length
      onProgress?.('weights', done / plan.weightsBytes)
      await setImmediate()
      if (signal?.aborted) fail('aborted', { what: out })
    }
    bump.finish(tokenizer && compileTokenizer(tokenizer))
  } catch (error) {
    bump.abandon()
    throw error
  }
}
