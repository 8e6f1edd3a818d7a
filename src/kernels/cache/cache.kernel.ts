import { defineKernel } from '../kernel.ts'

const dims = ['tokens', 'heads', 'width', 'context', 'sequenceCount', 'xRow'] as const

function cacheKeys<C extends 'f32' | 'f16'>(dtype: C) {
  return defineKernel({
    name: `cacheKeys_fwd_${dtype}`,
    family: 'cache',
    dims,
    attributes: {},
    buffers: {
      x: { dtype: 'f32', access: 'read', shape: ['tokens', 'heads', 'width'], rowStride: 'xRow' },
      positions: { dtype: 'i32', access: 'read', shape: ['tokens'] },
      sequences: { dtype: 'i32', access: 'read', shape: ['tokens'] },
      cache: {
        dtype,
        access: 'update',
        shape: ['sequenceCount', 'heads', 'context', 'width'],
        layout: 'keyPanels',
      },
    },
    inPlace: [],
    split: { items: ['tokens', 'heads'], own: ['x'] },
    flops: () => 0,
  })
}

function cacheValues<C extends 'f32' | 'f16'>(dtype: C) {
  return defineKernel({
    name: `cacheValues_fwd_${dtype}`,
    family: 'cache',
    dims,
    attributes: {},
    buffers: {
      x: { dtype: 'f32', access: 'read', shape: ['tokens', 'heads', 'width'], rowStride: 'xRow' },
      positions: { dtype: 'i32', access: 'read', shape: ['tokens'] },
      sequences: { dtype: 'i32', access: 'read', shape: ['tokens'] },
      cache: { dtype, access: 'update', shape: ['sequenceCount', 'heads', 'context', 'width'] },
    },
    inPlace: [],
    split: { items: ['tokens', 'heads'], own: ['x'] },
    flops: () => 0,
  })
}

/** cache[sequences[t], h, positions[t]] = x[t, h] in key panels. context is a multiple of the lanes; f16 rounds to even. */
export const cacheKeysForward = { f32: cacheKeys('f32'), f16: cacheKeys('f16') } as const

/** cache[sequences[t], h, positions[t]] = x[t, h] in rows; f16 rounds to even. */
export const cacheValuesForward = { f32: cacheValues('f32'), f16: cacheValues('f16') } as const
