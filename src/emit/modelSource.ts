import type { MemoryPlan } from '../plan/planMemory.ts'
import type { Program } from '../plan/program.ts'
import type { Site } from '../plan/sites.ts'

/** What the printers of a model's C are given: finished programs, their places, and the facts of the engine's seam. */
export interface ModelSource {
  readonly name: string
  readonly template: string
  readonly target: { readonly name: string; readonly cpuFeatures: readonly string[] }
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
  /** The first runs prefill steps, the last decode steps; an encoder has one. */
  readonly programs: readonly Program[]
  readonly plan: MemoryPlan
  /** Of a profile build: what it counts, in the order of its counters. */
  readonly sites?: readonly Site[]
  /** chat.c defines `ck_model_chat`. */
  readonly hasChat?: boolean
}
