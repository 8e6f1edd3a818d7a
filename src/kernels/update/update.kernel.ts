import { type AttributeType, defineKernel, type KernelDeclaration } from '../kernel.ts'

/** Elements per item of the split: whole cache lines, so that no two parts write to one. */
const blockElements = 256

type Shared = 'weight' | 'gradient' | 'rates' | 'clip'

/** Attributes of every update of a weight: weight decay, and a factor of the step's learning rate. */
const group = { decay: 'double', rate: 'double' } as const

/**
 * An update of a weight and of what an optimizer keeps (`memory`), in place, by gradient times clip [1, 1] (1 where it is NULL),
 * with rates [1, 3]: learning rate, 1 - beta1^step, sqrt(1 - beta2^step). A clip below 0 leaves all as it is. Elements are
 * divided by blocks of 256.
 */
function update<const N extends string, const A extends string, const M extends string>(
  name: N,
  memory: readonly M[],
  attributes: { readonly [K in A]: AttributeType },
  flopsPerElement: number,
): KernelDeclaration<'elements', A | keyof typeof group, Shared | M, `${N}_fwd_f32`> {
  const element = { dtype: 'f32', shape: [1, 'elements'] } as const
  const changed = Object.fromEntries(
    ['weight', ...memory].map((state) => [state, { ...element, access: 'update' as const }]),
  )
  return {
    name: `${name}_fwd_f32`,
    family: 'update',
    dims: ['elements'],
    attributes: { ...attributes, ...group } as KernelDeclaration<'elements', A | keyof typeof group>['attributes'],
    buffers: {
      gradient: { ...element, access: 'read' },
      rates: { dtype: 'f32', access: 'read', shape: [1, 3] },
      clip: { dtype: 'f32', access: 'read', shape: [1, 1], optional: true },
      ...changed,
    } as unknown as KernelDeclaration<'elements', string, Shared | M>['buffers'],
    inPlace: [],
    split: {
      items: [{ dim: 'elements', each: blockElements }],
      own: ['gradient', 'weight', ...memory],
    },
    flops: ({ elements }) => flopsPerElement * elements,
  }
}

/**
 * mean += (1 - beta1) · (g - mean), square = beta2 · square + (1 - beta2) · g²,
 * weight = (1 - lr · decay) · weight - lr · (mean / correction1) / (sqrt(square) / correction2 + eps)
 */
export const adamWForward = update('adamW', ['mean', 'square'], { beta1: 'double', beta2: 'double', eps: 'double' }, 16)

/** weight -= lr · (g + decay · weight) */
export const sgdForward = update('sgd', [], {}, 5)

/** u = g + decay · weight; velocity = momentum · velocity + u; weight -= lr · (nesterov ? u + momentum · velocity : velocity) */
export const momentumForward = update('momentum', ['velocity'], { momentum: 'double', nesterov: 'int64_t' }, 9)

/** weight = (1 - lr · decay) · weight - lr · sign(beta1 · mean + (1 - beta1) · g); mean = beta2 · mean + (1 - beta2) · g */
export const lionForward = update('lion', ['mean'], { beta1: 'double', beta2: 'double' }, 11)

/** weight = (1 - lr · decay) · weight - lr · scale · gradient: a direction has its length already, so clip is no factor. */
export const muonUpdateForward = update('muonUpdate', [], { scale: 'double' }, 4)

/**
 * velocity += (1 - momentum) · (g - velocity); direction = nesterov ? g + momentum · (velocity - g) : velocity. A clip below 0
 * leaves velocity as it is and gives the direction 0.
 */
export const muonMomentumForward = defineKernel({
  name: 'muonMomentum_fwd_f32',
  family: 'update',
  dims: ['elements'],
  attributes: { momentum: 'double', nesterov: 'int64_t' },
  buffers: {
    gradient: { dtype: 'f32', access: 'read', shape: [1, 'elements'] },
    clip: { dtype: 'f32', access: 'read', shape: [1, 1], optional: true },
    velocity: { dtype: 'f32', access: 'update', shape: [1, 'elements'] },
    direction: { dtype: 'f32', access: 'write', shape: [1, 'elements'] },
  },
  inPlace: [['direction', 'gradient']],
  split: { items: [{ dim: 'elements', each: blockElements }], own: ['gradient', 'velocity', 'direction'] },
  flops: ({ elements }) => 7 * elements,
})

/** average += (1 - decay) · (weight - average) */
export const averageForward = defineKernel({
  name: 'average_fwd_f32',
  family: 'update',
  dims: ['elements'],
  attributes: { decay: 'double' },
  buffers: {
    weight: { dtype: 'f32', access: 'read', shape: [1, 'elements'] },
    average: { dtype: 'f32', access: 'update', shape: [1, 'elements'] },
  },
  inPlace: [],
  split: { items: [{ dim: 'elements', each: blockElements }], own: ['weight', 'average'] },
  flops: ({ elements }) => 3 * elements,
})

/** copy = weight, rounded to the nearest bf16, ties to even. */
export const weightCopyForward = defineKernel({
  name: 'weightCopy_fwd_bf16',
  family: 'update',
  dims: ['elements'],
  attributes: {},
  buffers: {
    weight: { dtype: 'f32', access: 'read', shape: [1, 'elements'] },
    copy: { dtype: 'bf16', access: 'write', shape: [1, 'elements'] },
  },
  inPlace: [],
  split: { items: [{ dim: 'elements', each: blockElements }], own: ['weight', 'copy'] },
  flops: () => 0,
})
