import { defineKernel } from '../kernel.ts'

/**
 * Per token a row of magnitude * cos, then a row of magnitude * sin, of angle[i] = position * scale * theta^(-i / pairs) /
 * factors[i], computed in double. Without factors they count as 1.
 */
export const ropeTableForward = defineKernel({
  name: 'ropeTable_fwd_f32',
  family: 'rope',
  dims: ['tokens', 'pairs'],
  attributes: { theta: 'double', scale: 'double', magnitude: 'double' },
  buffers: {
    positions: { dtype: 'i32', access: 'read', shape: ['tokens'] },
    factors: { dtype: 'f32', access: 'read', shape: ['pairs'], optional: true },
    table: { dtype: 'f32', access: 'write', shape: ['tokens', 2, 'pairs'] },
  },
  inPlace: [],
  split: { items: ['tokens'], own: ['positions', 'table'] },
  flops: ({ tokens, pairs }) => 6 * tokens * pairs,
})

function rope<D extends 'fwd' | 'bwd', P extends 'split' | 'pairwise'>(direction: D, pairing: P) {
  return defineKernel({
    name: `rope_${direction}_${pairing}_f32`,
    family: 'rope',
    dims: ['tokens', 'heads', 'width', 'pairs', 'xRow', 'yRow'],
    attributes: {},
    buffers: {
      x: { dtype: 'f32', access: 'read', shape: ['tokens', 'heads', 'width'], rowStride: 'xRow' },
      table: { dtype: 'f32', access: 'read', shape: ['tokens', 2, 'pairs'] },
      y: { dtype: 'f32', access: 'write', shape: ['tokens', 'heads', 'width'], rowStride: 'yRow' },
    },
    inPlace: [['y', 'x']],
    split: { items: ['tokens', 'heads'], own: ['x', 'y'] },
    flops: ({ tokens, heads, pairs }) => 6 * tokens * heads * pairs,
  })
}

/**
 * Rotates pairs of elements by the table's angles: (a, b) becomes (a cos - b sin, a sin + b cos). `split` pairs element i
 * with i + pairs, `pairwise` 2i with 2i + 1. Elements from 2 * pairs on are copied. 2 * pairs is at most width.
 */
export const ropeForward = { split: rope('fwd', 'split'), pairwise: rope('fwd', 'pairwise') } as const

/** The same by the negative angles: its gradient. */
export const ropeGradient = { split: rope('bwd', 'split'), pairwise: rope('bwd', 'pairwise') } as const
