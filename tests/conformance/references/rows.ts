import type { Reference, References } from './reference.ts'
import { below, take } from './rowValues.ts'
import { around, counts, mixed, rowsOf, strided } from './sizes.ts'

const taking: Reference = {
  sizes: (lanes) =>
    strided(mixed(8, { rows: [1, 5, 9], outputs: counts, cols: around(lanes) }), ({ cols }) => cols!, 'xRow'),
  fill: { index: below('rows', 'outputs') },
  compute: ({ x, index }, { cols }) => ({ y: take(x!, index!, cols!) }),
  epsilons: 0,
}

/** How the kernels of the family `rows` are judged. */
export const rows: References<'rows'> = {
  sliceHeads_fwd_f32: {
    sizes: () =>
      strided(
        strided(
          mixed(8, { rows: counts, heads: [1, 3, 2], width: [1, 5, 8], wide: [8, 13] }),
          ({ heads, wide }) => heads! * wide!,
          'xRow',
        ),
        ({ heads, width }) => heads! * width!,
        'yRow',
      ),
    attributes: ({ wide, width }) => ({ from: wide! - width! }),
    compute: ({ x }, { width, wide }) => ({ y: x!.filter((_, i) => i % wide! >= wide! - width!) }),
    epsilons: 0,
  },
  sliceHeads_bwd_f32: {
    sizes: () =>
      strided(
        strided(
          mixed(8, { rows: counts, heads: [1, 3, 2], width: [1, 5, 40], wide: [40, 45] }),
          ({ heads, wide }) => heads! * wide!,
          'sumRow',
          'dxRow',
        ),
        ({ heads, width }) => heads! * width!,
        'dyRow',
      ),
    attributes: ({ wide, width, rows }) => ({ from: rows === 2 ? 0 : wide! - width! }),
    fill: {
      sum: ({ rows, heads, width, wide }, random) =>
        heads === 2 || width === 40 ? null : Array.from({ length: rows! * heads! * wide! }, () => random.normal()),
    },
    compute({ dy, sum }, { rows, heads, width, wide }, { from }) {
      const dx = sum?.slice() ?? new Float64Array(rows! * heads! * wide!)
      dy!.forEach((value, i) => {
        dx[Math.floor(i / width!) * wide! + from! + (i % width!)]! += value
      })
      return { dx }
    },
    epsilons: 1,
  },
  copy_fwd_f32: { sizes: (lanes) => rowsOf(lanes), compute: ({ x }) => ({ y: x! }), epsilons: 0 },
  meanRows_fwd_f32: {
    sizes: (lanes) => strided(mixed(14, { rows: [1, 2, 5, 70], cols: around(lanes) }), ({ cols }) => cols!, 'xRow'),
    compute: ({ x }, { rows, cols }) => ({
      y: Float64Array.from({ length: cols! }, (_, c) => {
        let sum = 0
        for (let r = 0; r < rows!; r++) sum += x![r * cols! + c]!
        return sum / rows!
      }),
    }),
    // A sum may cancel.
    epsilons: 32,
  },
  meanRows_bwd_f32: {
    sizes: (lanes) =>
      mixed(14, { rows: [1, 2, 5, 70], cols: around(lanes) }).map((dims, at) => ({
        ...dims,
        taken: at % 3 === 0 ? 1 : dims.rows!,
      })),
    compute: ({ dy }, { rows, taken, cols }) => ({
      dx: Float64Array.from({ length: rows! * cols! }, (_, i) => (i < taken! * cols! ? dy![i % cols!]! / taken! : 0)),
    }),
    epsilons: 1,
  },
  takeRows_fwd_f32: taking,
  takeRows_fwd_bf16: taking,
}
