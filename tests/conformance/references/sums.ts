import type { References } from './reference.ts'
import { below } from './rowValues.ts'
import { around, counts, mixed, strided } from './sizes.ts'

/** How the kernels of the family `sums` are judged. */
export const sums: References<'sums'> = {
  sumRows_fwd_f32: {
    sizes: (lanes) =>
      strided(
        [
          ...mixed(14, { rows: [1, 2, 5, 70], groups: [1, 3], cols: around(lanes) }),
          { rows: 2, groups: 5, cols: 64 },
          { rows: 9, groups: 1, cols: 160 },
        ],
        ({ groups, cols }) => groups! * cols!,
        'xRow',
      ),
    fill: {
      sum: ({ rows, cols }, random) =>
        (rows! + cols!) % 2 ? null : Array.from({ length: cols! }, () => random.normal()),
    },
    compute({ x, sum }, { cols }) {
      const y = sum?.slice() ?? new Float64Array(cols!)
      x!.forEach((value, i) => {
        y[i % cols!]! += value
      })
      return { y }
    },
    // A sum may cancel.
    epsilons: 32,
  },
  takeRows_bwd_f32: {
    sizes: (lanes) =>
      strided(mixed(14, { rows: [1, 5, 9], outputs: [1, 2, 30], cols: around(lanes) }), ({ cols }) => cols!, 'dyRow'),
    attributes: ({ rows }) => ({ without: rows! > 5 ? 1 : -1 }),
    fill: {
      index: below('rows', 'outputs'),
      sum: ({ rows, cols, outputs }, random) =>
        outputs! % 2 ? null : Array.from({ length: rows! * cols! }, () => random.normal()),
    },
    compute({ dy, index, sum }, { rows, cols }, { without }) {
      const dx = sum?.slice() ?? new Float64Array(rows! * cols!)
      dy!.forEach((value, i) => {
        const row = index![Math.floor(i / cols!)]!
        if (row !== without) dx[row * cols! + (i % cols!)]! += value
      })
      return { dx }
    },
    isScattered: true,
    epsilons: 8,
  },
  fill_fwd_f32: {
    sizes: () => mixed(6, { rows: counts, cols: [1, 5, 40] }),
    attributes: { value: 0.75 },
    compute: (_values, { rows, cols }) => ({ y: new Float64Array(rows! * cols!).fill(0.75) }),
    epsilons: 0,
  },
}
