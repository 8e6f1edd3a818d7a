import { defineKernel } from '../kernel.ts'

const logits = { dtype: 'f32', access: 'read', shape: ['rows', 'cols'], rowStride: 'logitsRow' } as const
const targets = { dtype: 'i32', access: 'read', shape: ['rows'] } as const
const total = { dtype: 'f32', access: 'read', shape: [1, 1], optional: true } as const

/**
 * Of each row of logits: its largest value m, Σ e^(logits - m), and its loss m + ln Σ - logits[target] in nats; 0, 1 and 0
 * where the target is -1. Other targets must be in 0 .. cols - 1. The sum is made in double, of pieces summed in f32.
 */
export const crossEntropyRowsForward = defineKernel({
  name: 'crossEntropyRows_fwd_f32',
  family: 'loss',
  dims: ['rows', 'cols', 'logitsRow'],
  attributes: {},
  buffers: { logits, targets, states: { dtype: 'f32', access: 'write', shape: ['rows', 3] } },
  inPlace: [],
  split: { items: ['rows'], own: ['logits', 'targets', 'states'] },
  flops: ({ rows, cols }) => 18 * rows * cols,
})

/** What crossEntropyRowsForward and crossEntropyGradient give, from one pass over each row. */
export const crossEntropyFusedGradient = defineKernel({
  name: 'crossEntropyFused_bwd_f32',
  family: 'loss',
  dims: ['rows', 'cols', 'logitsRow', 'dlogitsRow'],
  attributes: {},
  buffers: {
    logits,
    targets,
    total,
    dloss: { dtype: 'f32', access: 'read', shape: [1, 1] },
    states: { dtype: 'f32', access: 'write', shape: ['rows', 3] },
    dlogits: { dtype: 'f32', access: 'write', shape: ['rows', 'cols'], rowStride: 'dlogitsRow' },
  },
  inPlace: [['dlogits', 'logits']],
  split: { items: ['rows'], own: ['logits', 'targets', 'states', 'dlogits'] },
  flops: ({ rows, cols }) => 20 * rows * cols,
})

/**
 * loss = the sum of the rows' losses, made in double in their order, over `total`, or over the number of targets that are not
 * -1; 0 where that is 0.
 */
export const crossEntropyMeanForward = defineKernel({
  name: 'crossEntropyMean_fwd_f32',
  family: 'loss',
  dims: ['rows'],
  attributes: {},
  buffers: {
    states: { dtype: 'f32', access: 'read', shape: ['rows', 3] },
    targets,
    total,
    loss: { dtype: 'f32', access: 'write', shape: [1, 1] },
  },
  inPlace: [],
  split: { items: [], own: [] },
  flops: ({ rows }) => rows,
})

/**
 * dlogits = dloss · (softmax(logits) - one at the target) / total, from the states of crossEntropyRowsForward; without `total`
 * over the number of targets that are not -1; 0 in a row whose target is -1.
 */
export const crossEntropyGradient = defineKernel({
  name: 'crossEntropy_bwd_f32',
  family: 'loss',
  dims: ['rows', 'cols', 'logitsRow', 'dlogitsRow'],
  attributes: {},
  buffers: {
    logits,
    states: { dtype: 'f32', access: 'read', shape: ['rows', 3] },
    targets,
    total,
    dloss: { dtype: 'f32', access: 'read', shape: [1, 1] },
    dlogits: { dtype: 'f32', access: 'write', shape: ['rows', 'cols'], rowStride: 'dlogitsRow' },
  },
  inPlace: [['dlogits', 'logits']],
  split: { items: ['rows'], own: ['logits', 'states', 'dlogits'] },
  flops: ({ rows, cols }) => 16 * rows * cols,
})
