import { defineKernel } from '../kernel.ts'
import { perColumn, rowsOf } from '../operands.ts'

/** y = activation(gate) * up, with one of activationCodes. A part takes pieces of rows, of cols / pieces columns each. */
export const gluForward = defineKernel({
  name: 'glu_fwd_f32',
  family: 'pointwise',
  dims: ['rows', 'cols', 'pieces', 'gateRow', 'upRow', 'yRow'],
  attributes: { activation: 'int64_t' },
  buffers: {
    gate: rowsOf('read', 'gateRow'),
    up: rowsOf('read', 'upRow'),
    y: rowsOf('write', 'yRow'),
  },
  inPlace: [
    ['y', 'gate'],
    ['y', 'up'],
  ],
  split: { items: ['rows', 'pieces'], own: ['gate', 'up', 'y'], free: { dim: 'pieces', like: 'gate' } },
  flops: ({ rows, cols }) => 16 * rows * cols,
})

function binary<N extends 'add' | 'multiply'>(name: N) {
  return defineKernel({
    name: `${name}_fwd_f32`,
    family: 'pointwise',
    dims: ['rows', 'cols', 'xRow', 'zRow', 'yRow'],
    attributes: {},
    buffers: {
      x: rowsOf('read', 'xRow'),
      z: rowsOf('read', 'zRow'),
      y: rowsOf('write', 'yRow'),
    },
    inPlace: [
      ['y', 'x'],
      ['y', 'z'],
    ],
    split: { items: ['rows'], own: ['x', 'z', 'y'] },
    flops: ({ rows, cols }) => rows * cols,
  })
}

/** y = x + z. */
export const addForward = binary('add')

/** y = x * z. */
export const multiplyForward = binary('multiply')

function unary<N extends string, A extends string = never>(
  name: N,
  attributes: { readonly [K in A]: 'float' | 'int64_t' },
  flopsPerElement: number,
) {
  return defineKernel({
    name: `${name}_fwd_f32`,
    family: 'pointwise',
    dims: ['rows', 'cols', 'xRow', 'yRow'],
    attributes,
    buffers: {
      x: rowsOf('read', 'xRow'),
      y: rowsOf('write', 'yRow'),
    },
    inPlace: [['y', 'x']],
    split: { items: ['rows'], own: ['x', 'y'] },
    flops: ({ rows, cols }) => flopsPerElement * rows * cols,
  })
}

/** y = activation(x), with one of activationCodes. */
export const activateForward = unary('activate', { activation: 'int64_t' }, 15)

/** y = 1 / (1 + exp(-x)). */
export const sigmoidForward = unary('sigmoid', {}, 15)

/** y = exp(rate * softplus(x + bias)), softplus(v) = ln(1 + exp(v)). */
export const decayGateForward = defineKernel({
  name: 'decayGate_fwd_f32',
  family: 'pointwise',
  dims: ['rows', 'cols', 'xRow', 'yRow'],
  attributes: {},
  buffers: {
    x: rowsOf('read', 'xRow'),
    rate: perColumn('read'),
    bias: perColumn('read'),
    y: rowsOf('write', 'yRow'),
  },
  inPlace: [['y', 'x']],
  split: { items: ['rows'], own: ['x', 'y'] },
  flops: ({ rows, cols }) => 45 * rows * cols,
})

/** y = factor * x. */
export const scaleForward = unary('scale', { factor: 'float' }, 1)

/** y = cap * tanh(x / cap), cap > 0. Divided among parts by groups of 16 columns: rows of logits are few and long. */
export const softCapForward = defineKernel({
  name: 'softCap_fwd_f32',
  family: 'pointwise',
  dims: ['rows', 'cols', 'xRow', 'yRow'],
  attributes: { cap: 'float' },
  buffers: {
    x: rowsOf('read', 'xRow'),
    y: rowsOf('write', 'yRow'),
  },
  inPlace: [['y', 'x']],
  split: { items: ['rows', 'cols'], own: [] },
  flops: ({ rows, cols }) => 22 * rows * cols,
})
