import { defineKernel } from '../kernel.ts'
import { perColumn, rowsOf } from '../operands.ts'

/** The gradient of an op of one operand, from `value`: what the op read, or what it gave. */
function slope<const N extends string, A extends string = never>(
  name: N,
  attributes: { readonly [K in A]: 'float' | 'int64_t' },
  flopsPerElement: number,
) {
  return defineKernel({
    name: `${name}_bwd_f32`,
    family: 'slopes',
    dims: ['rows', 'cols', 'valueRow', 'dyRow', 'dxRow'],
    attributes,
    buffers: {
      value: rowsOf('read', 'valueRow'),
      dy: rowsOf('read', 'dyRow'),
      dx: rowsOf('write', 'dxRow'),
    },
    inPlace: [
      ['dx', 'dy'],
      ['dx', 'value'],
    ],
    split: { items: ['rows'], own: ['value', 'dy', 'dx'] },
    flops: ({ rows, cols }) => flopsPerElement * rows * cols,
  })
}

/** dx = dy · f'(x), f one of activationCodes; the slope of relu at 0 is 0. `value` is x. */
export const activateGradient = slope('activate', { activation: 'int64_t' }, 28)

/** dgate = dy · up · f'(gate), dup = dy · f(gate), f one of activationCodes; the slope of relu at 0 is 0. */
export const gluGradient = defineKernel({
  name: 'glu_bwd_f32',
  family: 'slopes',
  dims: ['rows', 'cols', 'gateRow', 'upRow', 'dyRow', 'dgateRow', 'dupRow'],
  attributes: { activation: 'int64_t' },
  buffers: {
    gate: rowsOf('read', 'gateRow'),
    up: rowsOf('read', 'upRow'),
    dy: rowsOf('read', 'dyRow'),
    dgate: rowsOf('write', 'dgateRow'),
    dup: rowsOf('write', 'dupRow'),
  },
  inPlace: [
    ['dgate', 'gate'],
    ['dgate', 'dy'],
    ['dgate', 'up'],
    ['dup', 'up'],
    ['dup', 'dy'],
    ['dup', 'gate'],
  ],
  split: { items: ['rows'], own: ['gate', 'up', 'dy', 'dgate', 'dup'] },
  flops: ({ rows, cols }) => 32 * rows * cols,
})

/** dx = dy · y · (1 - y). `value` is y. */
export const sigmoidGradient = slope('sigmoid', {}, 3)

/** dx = dy · (1 - (y / cap)²), cap > 0. `value` is y. */
export const softCapGradient = slope('softCap', { cap: 'float' }, 4)

/** dx = y · (dy - Σ dy · y), the sum over each row. `value` is y. */
export const softmaxGradient = slope('softmax', {}, 4)

/**
 * With s = softplus(x + bias) and y = exp(rate · s): dx = dy · y · rate · sigmoid(x + bias), drate = Σ dy · y · s and
 * dbias = Σ dx over the rows in their order, one chain per column, which begins with rateSum and biasSum, or with 0.
 */
export const decayGateGradient = defineKernel({
  name: 'decayGate_bwd_f32',
  family: 'slopes',
  dims: ['rows', 'cols', 'xRow', 'dyRow', 'dxRow'],
  attributes: {},
  buffers: {
    x: rowsOf('read', 'xRow'),
    rate: perColumn('read'),
    bias: perColumn('read'),
    dy: rowsOf('read', 'dyRow'),
    rateSum: { ...perColumn('read'), optional: true },
    biasSum: { ...perColumn('read'), optional: true },
    dx: rowsOf('write', 'dxRow'),
    drate: perColumn('write'),
    dbias: perColumn('write'),
  },
  inPlace: [
    ['dx', 'dy'],
    ['dx', 'x'],
    ['drate', 'rateSum'],
    ['dbias', 'biasSum'],
  ],
  split: {
    items: [{ dim: 'cols', each: 16 }],
    own: ['rate', 'bias', 'rateSum', 'biasSum', 'drate', 'dbias'],
  },
  flops: ({ rows, cols }) => 60 * rows * cols,
})
