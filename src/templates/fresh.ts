import type { Dimensions } from './dimensions.ts'

/** Sizes of a model that was never trained, all of them chosen. */
export interface FreshSizes extends Dimensions {
  /** The head shares the embedding's weights. */
  readonly tied: boolean
  /** Base of the turns. */
  readonly theta: number
  /** Tokens that layers with a window read back, their own among them. */
  readonly window: number
}

/** What the values of a weight are drawn from, in our form of it. Matrices: the method that is asked for, `times` a factor. */
export type Initial =
  | { readonly kind: 'method'; readonly times: number }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'uniform'; readonly low: number; readonly high: number }

/** How a fresh model of a family is made. */
export interface FreshRules<C> {
  /** What the family's reference has where nothing is said. */
  readonly usual: FreshHabits
  /** The config that a transformers folder of these sizes would be read as. */
  config(sizes: FreshSizes): C
  /** Where it is not 0 for biases, 1 for other vectors and the method for matrices. */
  initial?(weight: string, config: C): Initial | undefined
}

/** A family's own choices. */
export interface FreshHabits {
  readonly eps: number
  readonly tied: boolean
  /** The width of the feed-forward is so many times the model's. */
  readonly ffn: number
  /** Base of the turns; absent: positions are learnt. */
  readonly theta?: number
  /** Every head has keys and values of its own, and heads divide the width. */
  readonly isPlain?: true
  /** The width of a head is a multiple of it; default 2, as pairs turn. */
  readonly headUnit?: number
  /** Of layers with a window; absent: the family has none, 0: it may have. */
  readonly window?: number
  /** Deviation of the normal method; default 0.02. */
  readonly deviation?: number
}
