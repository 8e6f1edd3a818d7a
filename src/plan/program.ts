import type { Dtype, WeightDtype } from '../base/dtypes.ts'
import type { Dim } from '../ir/graph.ts'
import type { PanelPart } from '../kernels/cacheLayouts.ts'
import type { Layout } from '../kernels/kernel.ts'

/** What a buffer is for, which decides where it lies and how long it lives. */
export type Region = 'state' | 'input' | 'activation' | 'output'

/**
 * What a state [sequences, ...] keeps of a sequence. `positions`: bytes of its own for each position, in `rows` rows of panels
 * of `lanes` positions, a panel part by part. `whole`: bytes that each token changes, so that no earlier position is in them.
 */
export type StateLayout =
  | { readonly kind: 'positions'; readonly rows: number; readonly lanes: number; readonly parts: readonly PanelPart[] }
  | { readonly kind: 'whole' }

/** A piece of the context's memory. */
export interface Buffer {
  /** The value that it was made for. */
  readonly name: string
  readonly region: Region
  readonly dtype: Dtype
  readonly shape: readonly Dim[]
  /** At the largest step. */
  readonly bytes: number
  /** Of a state. */
  readonly state?: StateLayout
}

/** A weight in its execution layout. `parts` are our checkpoint names: one list, or two for panelPairs, stacked by rows. */
export interface PackedWeight {
  readonly name: string
  readonly dtype: WeightDtype
  readonly layout: Layout
  /** Rows and columns of one part. A vector is one row. */
  readonly rows: number
  readonly cols: number
  readonly parts: readonly (readonly string[])[]
  readonly bytes: number
}

/** Bytes that a kernel argument points to: a buffer, a weight, or the entry of a repeat's table. */
export type Place =
  | { readonly in: 'memory'; readonly buffer: string; readonly offset: number }
  | { readonly in: 'weights'; readonly weight: string }
  | { readonly in: 'table'; readonly column: number; readonly offset?: number }

/** A whole number that is another one in each round of a repeat. */
export interface TableNumber {
  readonly column: number
}

/** One kernel call. Dims and attributes are final; a symbol is bound by the step. */
export interface Call {
  readonly kind: 'call'
  readonly kernel: string
  /** The value in the model's own names that the call makes, the first where it makes several. */
  readonly name: string
  /** Where the call makes several: their names. */
  readonly makes?: readonly string[]
  readonly dims: { readonly [dim: string]: Dim }
  readonly attributes: { readonly [name: string]: number | TableNumber }
  readonly buffers: { readonly [name: string]: Place | null }
  /** Threads claim pieces of it, and of the calls beside it up to the barriers before and behind: claimPieces.ts. */
  readonly isClaimed?: boolean
}

/** Threads must meet here. */
export interface Barrier {
  readonly kind: 'barrier'
}

/** What differs between the rounds of a repeat: per round the name of a weight or of a buffer, or a number in digits. */
export interface Column {
  readonly name: string
  readonly in: 'weights' | 'memory' | 'numbers'
  readonly entries: readonly string[]
}

/** Equal layers, folded. */
export interface Repeat {
  readonly kind: 'repeat'
  readonly count: number
  readonly columns: readonly Column[]
  readonly body: readonly (Call | Barrier)[]
}

export type Step = Call | Barrier | Repeat

/**
 * `train`: forward, backward and update in one step. `gradients` and `accumulate`: those of the first part of a batch, and of
 * further parts added to them, which `update` applies. `evaluate`: the loss alone. `copy`: what the others read in place of weights,
 * made of these.
 */
export type TrainingMode = 'train' | 'gradients' | 'accumulate' | 'update' | 'evaluate' | 'copy'

export type Mode = 'prefill' | 'decode' | 'encode' | 'trace' | TrainingMode

/** Where a value of the graph lies: `columns` elements of each row of a buffer, from element `column` on. */
export interface ValuePlace {
  readonly value: string
  readonly buffer: string
  readonly column: number
  readonly columns: number
  /** Elements from row to row. */
  readonly rowStride: number
}

/** Level 2, before places are offsets: calls on buffers and weights. */
export interface Program {
  readonly mode: Mode
  /** The largest value of each symbol. */
  readonly bounds: { readonly [symbol: string]: number }
  readonly buffers: readonly Buffer[]
  readonly weights: readonly PackedWeight[]
  /** Every value of the graph that is not a weight. */
  readonly values: readonly ValuePlace[]
  readonly steps: readonly Step[]
}

/** The calls of a step list in order, those of a repeat once, with the repeat that holds each. */
export function* callsOf(steps: readonly Step[]): Generator<{ call: Call; repeat: Repeat | undefined }> {
  for (const step of steps) {
    if (step.kind === 'call') yield { call: step, repeat: undefined }
    if (step.kind === 'repeat') {
      for (const inner of step.body) if (inner.kind === 'call') yield { call: inner, repeat: step }
    }
  }
}

/** An attribute of a call in a round of the repeat that holds it. */
export function attributeIn(value: Call['attributes'][string], repeat: Repeat | undefined, round: number): number {
  return typeof value === 'number' ? value : Number(repeat!.columns[value.column]!.entries[round])
}
