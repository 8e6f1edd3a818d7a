import { dtypes, type WeightDtype } from '../../../src/base/dtypes.ts'
import { activate, eachActivation } from './activation.ts'
import { perFormat, widths } from './formats.ts'
import type { Reference, References } from './reference.ts'
import { mixed, strided } from './sizes.ts'

function dots(x: Float64Array, w: Float64Array, tokens: number, rows: number, cols: number): Float64Array {
  const y = new Float64Array(tokens * rows)
  for (let t = 0; t < tokens; t++) {
    for (let r = 0; r < rows; r++) {
      let sum = 0
      for (let c = 0; c < cols; c++) sum += x[t * cols + c]! * w[r * cols + c]!
      y[t * rows + r] = sum
    }
  }
  return y
}

const tokenCounts = [1, 2, 13, 3, 6, 1, 7, 4, 19]
const rowCounts = (lanes: number) => [
  1,
  lanes - 1,
  lanes,
  lanes + 1,
  4 * lanes,
  5 * lanes + 3,
  9 * lanes,
  11 * lanes - 1,
]

function product(dtype: WeightDtype, count = 16): Reference {
  const { blockElements } = dtypes[dtype]
  return {
    sizes(lanes) {
      const blocks = blockElements === 32 ? [1, 2, 3, 7, 19] : [1, 2, 3, 5]
      const cols = widths(dtype, blocks, [1, lanes + 1, 37, 2 * lanes, 259])
      // More tokens and columns than a kernel takes at once.
      const many = { tokens: 193, rows: 2 * lanes + 1, cols: blockElements > 1 ? 9 * 256 : 259 }
      // Outputs that the parts own.
      const own = { tokens: 1, rows: 160, cols: blockElements > 1 ? 512 : 67 }
      // A lone output may cancel to near nothing, which says little about the kernel.
      const sizes = mixed(count, { tokens: tokenCounts, rows: rowCounts(lanes), cols })
        .map((dims) => (dims.tokens === 1 && dims.rows === 1 ? { ...dims, tokens: 5 } : dims))
        .concat(many, own)
      const withY = strided(sizes, ({ rows }) => rows!, 'yRow')
      return blockElements > 1 ? withY : strided(withY, ({ cols }) => cols!, 'xRow')
    },
    fill: {
      bias: ({ rows, cols }, random) =>
        (rows! + cols!) % 2 ? null : Array.from({ length: rows! }, () => random.normal()),
    },
    compute: ({ x, w, bias }, { tokens, rows, cols }) => ({
      y: dots(x!, w!, tokens!, rows!, cols!).map((sum, i) => sum + (bias ? bias[i % rows!]! : 0)),
    }),
    epsilons: 64,
  }
}

function gatedProduct(dtype: WeightDtype): Reference {
  return {
    ...product(dtype, 9),
    attributes: eachActivation,
    compute({ x, w }, { tokens, rows, cols }, { activation }) {
      const gate = dots(x!, w!.subarray(0, rows! * cols!), tokens!, rows!, cols!)
      const up = dots(x!, w!.subarray(rows! * cols!), tokens!, rows!, cols!)
      return { y: gate.map((value, i) => activate(activation!)(value) * up[i]!) }
    },
  }
}

/**
 * How the kernels of the family `linear` are judged. Products of block formats have exact dots, so they too err by
 * roundings of f32 only.
 */
export const linear: References<'linear'> = {
  ...perFormat('linear_fwd', (dtype) => product(dtype)),
  ...perFormat('linearGlu_fwd', gatedProduct),
}
