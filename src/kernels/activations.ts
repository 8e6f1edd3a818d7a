/** What the kernels of activations and gated products call each function; activate.h has the same numbers. */
export const activationCodes = { silu: 0, gelu_tanh: 1, gelu_erf: 2, relu: 3 } as const

/** A function of one number between two products of a feed-forward. */
export type Activation = keyof typeof activationCodes
