import { defineKernel, type Kernel } from '../../src/kernels/kernel.ts'
import { kernels } from '../../src/kernels/registry.ts'

function probeMap<N extends 'exp' | 'expNonpositive' | 'sigmoid' | 'tanh'>(name: N) {
  return defineKernel({
    name: `probe_fwd_${name}`,
    family: 'probe',
    dims: ['count'],
    attributes: {},
    buffers: {
      x: { dtype: 'f32', access: 'read', shape: ['count'] },
      y: { dtype: 'f32', access: 'write', shape: ['count'] },
    },
    inPlace: [],
    split: { items: [], own: [] },
    flops: () => 0,
  })
}

/** y = ck_exp(x). */
export const probeExp = probeMap('exp')

/** y = ck_exp_nonpositive(x). */
export const probeExpNonpositive = probeMap('expNonpositive')

/** y = ck_times_sigmoid(1, x). */
export const probeSigmoid = probeMap('sigmoid')

/** y = ck_tanh(x). */
export const probeTanh = probeMap('tanh')

function probeWords<D extends 'f16' | 'bf16'>(dtype: D) {
  return defineKernel({
    name: `probe_fwd_${dtype}`,
    family: 'probe',
    dims: ['count'],
    attributes: {},
    buffers: {
      x: { dtype: 'f32', access: 'read', shape: ['count'] },
      half: { dtype, access: 'write', shape: ['count'] },
      back: { dtype: 'f32', access: 'write', shape: ['count'] },
    },
    inPlace: [],
    split: { items: [], own: [] },
    flops: () => 0,
  })
}

/** half = x rounded to binary16, back = half as f32. */
export const probeHalf = probeWords('f16')

/** The same with bfloat16. */
export const probeBfloat = probeWords('bf16')

/**
 * Dots of x, four 8-bit codes per word, with w, four per word and lane: `wide` takes the bytes of w with 128 added, `small`
 * their low seven bits.
 */
export const probeDot = defineKernel({
  name: 'probe_fwd_dot',
  family: 'probe',
  dims: ['groups', 'lanes'],
  attributes: {},
  buffers: {
    w: { dtype: 'i32', access: 'read', shape: ['groups', 'lanes'] },
    x: { dtype: 'i32', access: 'read', shape: ['groups'] },
    wide: { dtype: 'i32', access: 'write', shape: ['lanes'] },
    small: { dtype: 'i32', access: 'write', shape: ['lanes'] },
  },
  inPlace: [],
  split: { items: [], own: [] },
  flops: ({ groups, lanes }) => 16 * groups * lanes,
})

/** Functions of the shared headers that no kernel shows by themselves. */
export const probes: readonly Kernel[] = [
  probeExp,
  probeExpNonpositive,
  probeSigmoid,
  probeTanh,
  probeHalf,
  probeBfloat,
  probeDot,
]

/** What the harness compiles: every kernel and the probes. */
export const testedKernels: readonly Kernel[] = [...kernels.values(), ...probes]
