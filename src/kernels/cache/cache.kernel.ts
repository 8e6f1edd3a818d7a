import type { CacheDtype } from '../attention/attention.kernel.ts'
import { defineKernel } from '../kernel.ts'

const dims = ['tokens', 'heads', 'width', 'context', 'sequenceCount', 'xRow'] as const

function cacheKeys<C extends CacheDtype>(dtype: C) {
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

function cacheValues<C extends CacheDtype>(dtype: C) {
  return defineKernel({
    name: `cacheValues_fwd_${dtype}`,
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
        layout: 'valuePanels',
      },
    },
    inPlace: [],
    split: { items: ['tokens', 'heads'], own: ['x'] },
    flops: () => 0,
  })
}

/**
 * cache[sequences[t], h, positions[t]] = x[t, h] in key panels. context is a multiple of the lanes. f16 rounds to even. q8_0
 * needs a width of whole blocks of 32: scale = max|x| / 127 rounded to binary16, code = x * (1 / scale) to the nearest
 * integer, ties to even, at most 127; the scale of a block with a NaN, or too large for binary16, is NaN.
 */
export const cacheKeysForward = { f32: cacheKeys('f32'), f16: cacheKeys('f16'), q8_0: cacheKeys('q8_0') } as const

/** The same in value panels. */
export const cacheValuesForward = {
  f32: cacheValues('f32'),
  f16: cacheValues('f16'),
  q8_0: cacheValues('q8_0'),
} as const
