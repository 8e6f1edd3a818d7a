import type { ChatArtifact } from '../chat/chatArtifact.ts'
import { describeChat } from '../chat/describeChat.ts'
import type { Graph } from '../ir/graph.ts'
import type { MemoryPlan } from '../plan/planMemory.ts'
import type { Program } from '../plan/program.ts'

/** One tensor of a checkpoint, or one packed weight of a run folder. */
export interface TensorRow {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  readonly bytes: number
  /** Byte offset in its file. */
  readonly offset: number
  /** The file, where there are several; for a packed weight its layout. */
  readonly where: string
}

/** What `ck inspect` says without flags. Sizes in bytes; what is not known is absent. */
export interface Overview {
  readonly name: string
  readonly source: 'gguf' | 'transformers' | 'run folder'
  readonly architecture: string
  readonly target?: string
  readonly strict?: boolean
  readonly parameters: number
  readonly bytes: number
  readonly dtypes: readonly { readonly dtype: string; readonly tensors: number; readonly bytes: number }[]
  readonly tokenizer: string
  /** How it chats; absent without a chat template. */
  readonly chat?: string
  readonly vocabulary?: number
  readonly layers?: number
  /** Tokens. */
  readonly context?: number
  /** Of a build for `target`: mapped weights, and what each context takes. */
  readonly memory?: {
    readonly target: string
    readonly context: number
    readonly weights: number
    readonly perContext: number
  }
  /** Why it cannot be built. */
  readonly refusal?: string
}

/** Levels 1 and 2 of a model. */
export interface Compiled {
  readonly graph: Graph
  readonly optimized: Graph
  readonly programs: readonly Program[]
  readonly plan: MemoryPlan
}

/** A checkpoint or a run folder, as far as `ck inspect` looks into it. */
export interface Inspected {
  overview(): Overview
  readonly tensors: readonly TensorRow[]
  /** Key and value. */
  readonly metadata: readonly (readonly [string, string])[]
  /** Its chat template with the contract; undefined without one. */
  chat(): ChatArtifact | undefined
  /** Refuses where the checkpoint cannot be compiled. */
  compiled(): Compiled
  close(): void
}

/** Tensors and bytes by dtype, the largest first. */
export function countDtypes(tensors: readonly TensorRow[]): Overview['dtypes'] {
  const rows = new Map<string, { dtype: string; tensors: number; bytes: number }>()
  for (const { dtype, bytes } of tensors) {
    const row = rows.get(dtype) ?? { dtype, tensors: 0, bytes: 0 }
    rows.set(dtype, { dtype, tensors: row.tensors + 1, bytes: row.bytes + bytes })
  }
  return [...rows.values()].sort((a, b) => b.bytes - a.bytes)
}

export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1)
}

/** The overview's line about chat. */
export function describedChat(artifact: ChatArtifact | undefined): Pick<Overview, 'chat'> {
  return artifact ? { chat: describeChat(artifact) } : {}
}
