/** What evaluating tokens costs at least, however it is done. */
export interface Work {
  /** Read from memory: weights and cache, each byte once per step. */
  readonly bytes: number
  /** A multiply-add counts two. */
  readonly operations: number
}

/** Tokens `from` .. `from + tokens - 1` of a sequence, with the logits of the last one. */
export interface Span {
  readonly from: number
  readonly tokens: number
}
