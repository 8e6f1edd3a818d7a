import { defineKernel } from '../kernel.ts'

const heads = { dtype: 'f32', access: 'read', shape: ['tokens', 'heads', 'width'] } as const
const kvHeads = { dtype: 'f32', access: 'read', shape: ['tokens', 'kvHeads', 'width'] } as const
const operands = {
  q: { ...heads, rowStride: 'qRow' },
  k: { ...kvHeads, rowStride: 'kRow' },
  v: { ...kvHeads, rowStride: 'vRow' },
  starts: { dtype: 'i32', access: 'read', shape: ['tokens'], optional: true },
} as const
const scratch = { dtype: 'f32', access: 'write', shape: ['room'], scratch: 'whole' } as const
const sizes = [
  'tokens',
  'batch',
  'length',
  'heads',
  'kvHeads',
  'width',
  'room',
  'qRow',
  'kRow',
  'vRow',
  'yRow',
] as const
const attributes = { window: 'int64_t', causal: 'int64_t', scale: 'float', softCap: 'float' } as const

/** Rows of queries that are worked on together: CK_STRIP in strips.h. */
export const attentionStrip = 64

// Units of the scratch, in strips.h and lines.h: CK_BLOCK_KEYS, CK_RUN_KEYS, CK_LINE_FLOATS.
const [blockKeys, runKeys, line] = [16, 64, 16]

const whole = (count: number, unit: number) => Math.ceil(count / unit) * unit

/** Elements of scratch of one part of `selfAttentionForward`. */
export function selfAttentionRoom(length: number, width: number): number {
  const [keys, columns] = [whole(length, blockKeys), whole(width, line)]
  return keys + keys * attentionStrip + 2 * keys * columns + 3 * attentionStrip * columns
}

/** Elements of scratch of one part of `selfAttentionBackward`, with a cap or without. */
export function selfAttentionBackwardRoom(length: number, width: number, isCapped: boolean): number {
  const [keys, columns] = [whole(length, blockKeys), whole(width, line)]
  return (
    keys + (keys + (isCapped ? keys : runKeys)) * attentionStrip + 4 * keys * columns + 5 * attentionStrip * columns
  )
}

/** Multiply-adds count two; a row is taken to read half of its sequence, as it does where all is causal. */
const products = (each: number, { tokens, heads: count, width, length }: Record<(typeof sizes)[number], number>) =>
  each * tokens * count * width * (length + 1)

/**
 * Attention within the rows of a batch, `batch` of `length` tokens each (the last may be shorter), which never read each
 * other: y[t, h] = softmax(s) · v with s = scale * q[t, h] · k, or where softCap is not 0 softCap * tanh(s / softCap), over
 * tokens of the row from max(starts[t], t - window + 1) on, where a window of 0 has no begin and no starts are those of
 * the rows; up to t, or where causal is 0 while starts are equal. Query head h reads kv head
 * floor(h / (heads / kvHeads)).
 *
 * Every part takes a room of the scratch (`selfAttentionRoom`); parts beyond those that find one stand idle.
 */
export const selfAttentionForward = defineKernel({
  name: 'selfAttention_fwd_f32',
  family: 'selfattention',
  dims: sizes,
  attributes,
  buffers: { ...operands, y: { ...heads, access: 'write', rowStride: 'yRow' }, scratch },
  inPlace: [],
  split: { items: ['batch', 'heads', { dim: 'length', each: attentionStrip }], own: [] },
  mixesRows: true,
  flops: (dims) => products(2, dims),
})

/**
 * The gradients of `selfAttentionForward` from that of its result y: dq, dk and dv, with scores computed again. Every
 * row of dk and dv is one chain over the query heads that read it and their strips of rows, in order. Every part takes a
 * room of the scratch (`selfAttentionBackwardRoom`).
 */
export const selfAttentionBackward = defineKernel({
  name: 'selfAttention_bwd_f32',
  family: 'selfattention',
  dims: [...sizes, 'dyRow'],
  attributes,
  buffers: {
    ...operands,
    y: { ...heads, rowStride: 'yRow' },
    dy: { ...heads, rowStride: 'dyRow' },
    dq: { ...heads, access: 'write' },
    dk: { ...kvHeads, access: 'write' },
    dv: { ...kvHeads, access: 'write' },
    scratch,
  },
  inPlace: [],
  split: { items: ['batch', 'kvHeads'], own: [] },
  mixesRows: true,
  flops: (dims) => products(5, dims),
})
