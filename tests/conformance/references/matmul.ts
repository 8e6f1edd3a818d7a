import type { FloatDtype } from '../../../src/base/dtypes.ts'
import { leastRoom, type MatmulForm } from '../../../src/kernels/matmul/matmul.kernel.ts'
import type { Dims } from '../placement.ts'
import type { Reference, References } from './reference.ts'
import { mixed, strided } from './sizes.ts'

/** The references of one form of the matrix product, by the dtypes of a and b. */
function perForm<F extends MatmulForm>(form: F) {
  return Object.fromEntries(
    (['f32', 'f16', 'bf16', 'bf16_f32', 'bf16_bf16'] as const).map((formats) => [
      `matmul_fwd_${form}_${formats}`,
      // Only the copies of a and b know their dtypes.
      product(form, formats === 'f32' ? 14 : 5),
    ]),
  ) as {
    [N in FloatDtype | 'bf16_f32' | 'bf16_bf16' as `matmul_fwd_${F}_${N}`]: Reference
  }
}

/** Sizes around the tiles of the matrix product, with much scratch and with little, which makes pieces and blocks small or is not used. */
function matmulSizes(lanes: number, count: number): Dims[] {
  const sizes = mixed(count, {
    rows: [1, 2, 3, 6, 7, 13, 19],
    cols: [1, lanes - 1, lanes, lanes + 1, 3 * lanes, 4 * lanes + 5, 9 * lanes],
    depth: [37, 1, lanes + 1, 2 * lanes, 131],
  })
  const large = [
    { rows: 1, cols: 6 * lanes + 1, depth: 400 },
    { rows: 41, cols: 1, depth: 300 },
    { rows: 23, cols: 5 * lanes + 3, depth: 560 },
    { rows: 16, cols: 4 * lanes, depth: 0 },
  ]
  // A lone output may cancel to near nothing, which says little about the kernel.
  const rooms = [leastRoom, 12 * leastRoom, 3 * leastRoom]
  return [...sizes, ...large].map((dims, i) => ({
    ...dims,
    rows: dims.rows === 1 && dims.cols === 1 ? 5 : dims.rows!,
    bands: i % 4 < 2 ? 1 : dims.cols!,
    room: rooms[i % rooms.length]!,
  }))
}

function product(form: MatmulForm, count: number): Reference {
  const [transposedA, transposedB] = [form[0] === 't', form[1] === 't']
  return {
    sizes(lanes) {
      const withA = strided(matmulSizes(lanes, count), ({ rows, depth }) => (transposedA ? rows! : depth!), 'aRow')
      const withB = strided(withA, ({ cols, depth }) => (transposedB ? depth! : cols!), 'bRow')
      const all = strided(withB, ({ cols }) => cols!, 'sumRow', 'yRow')
      return all.map((dims, i) => (i % 3 === 1 ? { ...dims, sumRow: 0 } : dims))
    },
    fill: {
      sum: ({ rows, cols, depth, sumRow }, random) => {
        if (sumRow !== 0 && depth! % 2) return null
        const row = Array.from({ length: cols! }, () => random.normal())
        return Array.from({ length: rows! * cols! }, (_, i) => (sumRow === 0 ? row[i % cols!]! : random.normal()))
      },
    },
    compute({ a, b, sum }, { rows, cols, depth }) {
      const y = Float64Array.from({ length: rows! * cols! }, (_, at) => {
        const [i, j] = [Math.floor(at / cols!), at % cols!]
        let total = sum?.[at] ?? 0
        for (let k = 0; k < depth!; k++)
          total += a![transposedA ? k * rows! + i : i * depth! + k]! * b![transposedB ? j * depth! + k : k * cols! + j]!
        return total
      })
      return { y }
    },
    epsilons: 64,
  }
}

/** How the kernels of the family `matmul` are judged. */
export const matmul: References<'matmul'> = {
  ...perForm('nn'),
  ...perForm('nt'),
  ...perForm('tn'),
  ...perForm('tt'),
}
