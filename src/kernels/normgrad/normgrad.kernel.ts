import { defineKernel } from '../kernel.ts'
import { perColumn, vectorsOf } from '../operands.ts'

const perVector = <const A extends 'read' | 'write'>(access: A) =>
  ({ dtype: 'f32', access, shape: ['rows', 'groups'] }) as const

/**
 * dx = s · (dy · gain - x · s² · mean(dy · gain · x)), and with `sum` that added to it; s = 1 / sqrt(mean(x²) + eps) of each
 * vector of cols is left in `scale`.
 */
export const rmsNormGradient = defineKernel({
  name: 'rmsNorm_bwd_f32',
  family: 'normgrad',
  dims: ['rows', 'groups', 'cols', 'xRow', 'dyRow', 'sumRow', 'dxRow'],
  attributes: { eps: 'float' },
  buffers: {
    x: vectorsOf('read', 'xRow'),
    gain: perColumn('read'),
    dy: vectorsOf('read', 'dyRow'),
    sum: { ...vectorsOf('read', 'sumRow'), optional: true },
    scale: perVector('write'),
    dx: vectorsOf('write', 'dxRow'),
  },
  inPlace: [['dx', 'sum']],
  split: { items: ['rows', 'groups'], own: ['x', 'dy', 'sum', 'scale', 'dx'] },
  flops: ({ rows, groups, cols }) => 9 * rows * groups * cols,
})

/** dgain = sum + Σ dy · x · scale over the vectors in their order, one chain per column; without sum from 0. */
export const rmsNormGainGradient = defineKernel({
  name: 'rmsNormGain_bwd_f32',
  family: 'normgrad',
  dims: ['rows', 'groups', 'cols', 'xRow', 'dyRow'],
  attributes: {},
  buffers: {
    x: vectorsOf('read', 'xRow'),
    dy: vectorsOf('read', 'dyRow'),
    scale: perVector('read'),
    sum: { ...perColumn('read'), optional: true },
    dgain: perColumn('write'),
  },
  inPlace: [['dgain', 'sum']],
  split: { items: [{ dim: 'cols', each: 16 }], own: ['sum', 'dgain'] },
  flops: ({ rows, groups, cols }) => 3 * rows * groups * cols,
})

/**
 * dx = s · (e - mean(e) - n · mean(e · n)) with n = (x - m) · s and e = dy · gain, and with `sum` that added to it; m = mean(x)
 * and s = 1 / sqrt(mean((x - m)²) + eps) of each vector of cols are left in `mean` and `scale`.
 */
export const layerNormGradient = defineKernel({
  name: 'layerNorm_bwd_f32',
  family: 'normgrad',
  dims: ['rows', 'groups', 'cols', 'xRow', 'dyRow', 'sumRow', 'dxRow'],
  attributes: { eps: 'float' },
  buffers: {
    x: vectorsOf('read', 'xRow'),
    gain: perColumn('read'),
    dy: vectorsOf('read', 'dyRow'),
    sum: { ...vectorsOf('read', 'sumRow'), optional: true },
    mean: perVector('write'),
    scale: perVector('write'),
    dx: vectorsOf('write', 'dxRow'),
  },
  inPlace: [['dx', 'sum']],
  split: { items: ['rows', 'groups'], own: ['x', 'dy', 'sum', 'mean', 'scale', 'dx'] },
  flops: ({ rows, groups, cols }) => 14 * rows * groups * cols,
})

/**
 * dgain = gainSum + Σ dy · (x - mean) · scale and dbias = biasSum + Σ dy over the vectors in their order, one chain per column;
 * without sums from 0.
 */
export const layerNormGainGradient = defineKernel({
  name: 'layerNormGain_bwd_f32',
  family: 'normgrad',
  dims: ['rows', 'groups', 'cols', 'xRow', 'dyRow'],
  attributes: {},
  buffers: {
    x: vectorsOf('read', 'xRow'),
    dy: vectorsOf('read', 'dyRow'),
    mean: perVector('read'),
    scale: perVector('read'),
    gainSum: { ...perColumn('read'), optional: true },
    biasSum: { ...perColumn('read'), optional: true },
    dgain: perColumn('write'),
    dbias: perColumn('write'),
  },
  inPlace: [
    ['dgain', 'gainSum'],
    ['dbias', 'biasSum'],
  ],
  split: { items: [{ dim: 'cols', each: 16 }], own: ['gainSum', 'biasSum', 'dgain', 'dbias'] },
  flops: ({ rows, groups, cols }) => 5 * rows * groups * cols,
})

/** dx = (dy - x · Σ(x · dy) / n²) / n with n = sqrt(Σx² + eps), the sums over cols. */
export const l2NormGradient = defineKernel({
  name: 'l2Norm_bwd_f32',
  family: 'normgrad',
  dims: ['rows', 'groups', 'cols', 'xRow', 'dyRow', 'dxRow'],
  attributes: { eps: 'float' },
  buffers: {
    x: vectorsOf('read', 'xRow'),
    dy: vectorsOf('read', 'dyRow'),
    dx: vectorsOf('write', 'dxRow'),
  },
  inPlace: [
    ['dx', 'dy'],
    ['dx', 'x'],
  ],
  split: { items: ['rows', 'groups'], own: ['x', 'dy', 'dx'] },
  flops: ({ rows, groups, cols }) => 7 * rows * groups * cols,
})

/**
 * Of y = rmsNorm(x) · f(gate), f(v) = v / (1 + exp(-v)): with e = dy · f(gate), which is left in `dnormed`,
 * dx = s · (e · gain - x · s² · mean(e · gain · x)) and dgate = dy · x · s · gain · f'(gate); s as in rmsNormGradient.
 */
export const gatedRmsNormGradient = defineKernel({
  name: 'gatedRmsNorm_bwd_f32',
  family: 'normgrad',
  dims: ['rows', 'groups', 'cols', 'xRow', 'gateRow', 'dyRow', 'dxRow', 'dgateRow'],
  attributes: { eps: 'float' },
  buffers: {
    x: vectorsOf('read', 'xRow'),
    gate: vectorsOf('read', 'gateRow'),
    gain: perColumn('read'),
    dy: vectorsOf('read', 'dyRow'),
    scale: perVector('write'),
    dnormed: { dtype: 'f32', access: 'write', shape: ['rows', 'groups', 'cols'] },
    dx: vectorsOf('write', 'dxRow'),
    dgate: vectorsOf('write', 'dgateRow'),
  },
  inPlace: [
    ['dx', 'dy'],
    ['dx', 'gate'],
    ['dgate', 'gate'],
    ['dgate', 'dy'],
  ],
  split: { items: ['rows', 'groups'], own: ['x', 'gate', 'dy', 'scale', 'dnormed', 'dx', 'dgate'] },
  flops: ({ rows, groups, cols }) => 40 * rows * groups * cols,
})
