/** What a training stores values and copies of weights in. */
export const precisions = ['f32', 'bf16'] as const

export type Precision = (typeof precisions)[number]
