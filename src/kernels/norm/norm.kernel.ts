import { type BufferParameter, defineKernel } from '../kernel.ts'
import { perColumn, vectorsOf } from '../operands.ts'

/** A norm of each vector of `cols` values by itself; a row has `groups` of them. The parameters are alike for all vectors. */
function vectorNorm<const N extends string, const P extends string>(
  name: N,
  parameters: { readonly [K in P]: BufferParameter<'cols'> },
  flopsPerElement: number,
) {
  return defineKernel({
    name: `${name}_fwd_f32`,
    family: 'norm',
    dims: ['rows', 'groups', 'cols', 'xRow', 'yRow'],
    attributes: { eps: 'float' },
    buffers: {
      x: vectorsOf('read', 'xRow'),
      ...parameters,
      y: vectorsOf('write', 'yRow'),
    },
    inPlace: [['y', 'x']],
    split: { items: ['rows', 'groups'], own: ['x', 'y'] },
    flops: ({ rows, groups, cols }) => flopsPerElement * rows * groups * cols,
  })
}

/** y = x * gain / sqrt(mean(x²) + eps), the mean over cols. */
export const rmsNormForward = vectorNorm('rmsNorm', { gain: perColumn('read') }, 4)

/** y = (x - mean(x)) * gain / sqrt(mean((x - mean(x))²) + eps) + bias, the means over cols. */
export const layerNormForward = vectorNorm(
  'layerNorm',
  { gain: perColumn('read'), bias: { ...perColumn('read'), optional: true } },
  8,
)

/** y = x / sqrt(sum(x²) + eps), the sum over cols. */
export const l2NormForward = vectorNorm('l2Norm', {}, 3)

/** sum = x + delta; y = rmsNorm(sum). At most one of sum and y may be the same bytes as one input. */
export const residualRmsNormForward = defineKernel({
  name: 'residualRmsNorm_fwd_f32',
  family: 'norm',
  dims: ['rows', 'cols'],
  attributes: { eps: 'float' },
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['rows', 'cols'] },
    delta: { dtype: 'f32', access: 'read', shape: ['rows', 'cols'] },
    gain: perColumn('read'),
    sum: { dtype: 'f32', access: 'write', shape: ['rows', 'cols'] },
    y: { dtype: 'f32', access: 'write', shape: ['rows', 'cols'] },
  },
  inPlace: [
    ['sum', 'x'],
    ['sum', 'delta'],
    ['y', 'delta'],
  ],
  split: { items: ['rows'], own: ['x', 'delta', 'sum', 'y'] },
  flops: ({ rows, cols }) => 5 * rows * cols,
})

/** y = rmsNorm(x) * gate / (1 + exp(-gate)). */
export const gatedRmsNormForward = defineKernel({
  name: 'gatedRmsNorm_fwd_f32',
  family: 'norm',
  dims: ['rows', 'groups', 'cols', 'xRow', 'gateRow', 'yRow'],
  attributes: { eps: 'float' },
  buffers: {
    x: vectorsOf('read', 'xRow'),
    gate: vectorsOf('read', 'gateRow'),
    gain: perColumn('read'),
    y: vectorsOf('write', 'yRow'),
  },
  inPlace: [
    ['y', 'x'],
    ['y', 'gate'],
  ],
  split: { items: ['rows', 'groups'], own: ['x', 'gate', 'y'] },
  flops: ({ rows, groups, cols }) => 20 * rows * groups * cols,
})
