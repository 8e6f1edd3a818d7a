import type { Canaries } from '../plan/canaries.ts'
import type { MemoryPlan } from '../plan/planMemory.ts'
import type { Program, Region } from '../plan/program.ts'
import type { Site } from '../plan/sites.ts'

/** What the printers of C are given of every kind of build: finished programs and their places. */
export interface ProgramSource {
  readonly name: string
  readonly template: string
  readonly target: { readonly name: string; readonly cpuFeatures: readonly string[] }
  readonly programs: readonly Program[]
  readonly plan: MemoryPlan
  /** The regions whose places model.h names, for all programs. */
  readonly shared: readonly Region[]
  /** Of a profile build: what it counts, in the order of its counters. */
  readonly sites?: readonly Site[]
  /** Of a debug build: what it watches, in the order of the programs. */
  readonly canaries?: readonly Canaries[]
}

/** A model to run, with the facts of the engine's seam. The first program runs prefill steps, the last decode steps; an encoder has one. */
export interface ModelSource extends ProgramSource {
  /** SHA-256 of the weights' layout, hex: a weights file with another id is refused. */
  readonly weightsId: string
  /** SHA-256, hex, of what the bytes of states depend on besides the weights' values and the ids. */
  readonly stateId: string
  readonly vocabulary: number
  /** Width of what an encoder gives for a text; absent: the model continues text. */
  readonly embedding?: number
  /** Tokens of one sequence. */
  readonly context: number
  readonly sequences: number
  readonly outputRows: number
  /** chat.c defines `ck_model_chat`. */
  readonly hasChat?: boolean
}
