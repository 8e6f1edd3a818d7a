import { dtypes, isBlockDtype, weightDtypes } from '../base/dtypes.ts'
import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { linearForward } from '../kernels/linear/linear.kernel.ts'
import { matmul } from './matmul.ts'
import { denseRow, lastAxis, weightDtypeOf } from './shapes.ts'
import { sumRows } from './sumRows.ts'

/** y[t, n] = Σk x[t, k] · w[n, k] + bias[n] */
export const linear = defineOp({
  name: 'linear',
  inputs: { x: ['f32', 'a8'], w: weightDtypes, bias: ['f32'] },
  optional: ['bias'],
  outputs: ['y'],
  isDear: true,
  infer({ x, w, bias }, _attributes: NoAttributes, refuse) {
    if (x.shape.length !== 2 || w.shape.length !== 2)
      refuse(`x and w need two axes, not ${x.shape.length} and ${w.shape.length}`)
    if (lastAxis(x) !== lastAxis(w)) refuse(`x has ${lastAxis(x)} columns and w has ${lastAxis(w)}; they must be equal`)
    if (bias && (bias.shape.length !== 1 || bias.shape[0] !== w.shape[0]))
      refuse(`bias is [${bias.shape}]; accepted: [${w.shape[0]}], one for each row of w`)
    return { y: { dtype: 'f32', shape: [x.shape[0]!, w.shape[0]!] } }
  },
  reference({ x, w, bias }) {
    const [tokens = 0, cols = 0] = x.shape
    const rows = w.shape[0] ?? 0
    const y = tensor([tokens, rows])
    for (let t = 0; t < tokens; t++) {
      for (let n = 0; n < rows; n++) {
        let sum = 0
        for (let k = 0; k < cols; k++) sum += x.data[t * cols + k]! * w.data[n * cols + k]!
        y.data[t * rows + n] = sum + (bias ? bias.data[n]! : 0)
      }
    }
    return { y }
  },
  // dx = dy · w, dw = dyᵀ · x, dbias = Σt dy[t]
  vjp({ x, w, bias }, _outputs, { y: dy }, _attributes, g) {
    return {
      x: g.apply(matmul, 'x', { a: dy, b: w }, { transposeA: false, transposeB: false }),
      w: g.apply(matmul, 'w', { a: dy, b: x }, { transposeA: true, transposeB: false }),
      ...(bias ? { bias: g.apply(sumRows, 'bias', { x: dy }, {}) } : {}),
    }
  },
  lower({ x, w, bias = null }, { y }, _attributes, to) {
    const dims = { tokens: x.type.shape[0]!, rows: w.type.shape[0]!, cols: lastAxis(x.type), yRow: to.stride(y) }
    const dtype = weightDtypeOf(w.type)
    if (isBlockDtype(dtype)) {
      to.call(linearForward[dtype], { ...dims, x, w, bias, y })
    } else {
      to.call(linearForward[dtype], { ...dims, xRow: to.stride(x), x, w, bias, y })
    }
  },
  tolerance: { relative: 64 },
  samples: (lanes) =>
    weightDtypes.flatMap((dtype) => {
      const { blockElements } = dtypes[dtype]
      const quantised = blockElements > 1
      const x = quantised ? 'a8' : 'f32'
      const narrow = quantised ? [blockElements, 3 * blockElements] : [1, lanes - 1, lanes + 1, 37]
      // A long product of one row may cancel to near nothing, which says little about the kernel: give it many rows.
      const sizes = [
        { tokens: 1, cols: quantised ? 4096 : 4099, rows: 5 * lanes + 1 },
        ...narrow.flatMap((cols) =>
          [1, lanes - 1, 5 * lanes + 1].flatMap((rows) => [1, 7].map((tokens) => ({ tokens, cols, rows }))),
        ),
      ]
      return sizes.map(({ tokens, cols, rows }) => ({
        inputs: {
          x: { dtype: x, shape: [tokens, cols] },
          w: { dtype, shape: [rows, cols] },
          ...(rows % 2 ? { bias: { dtype: 'f32', shape: [rows] } } : {}),
        } as const,
        attributes: {},
      }))
    }),
  refusals: [
    {
      inputs: { x: denseRow(['tokens', 8]), w: denseRow([4, 9]) },
      attributes: {},
      says: 'x has 8 columns and w has 9',
    },
    {
      inputs: { x: denseRow(['tokens', 8]), w: denseRow([4, 8]), bias: denseRow([8]) },
      attributes: {},
      says: 'bias is [8]; accepted: [4]',
    },
    { inputs: { x: denseRow(['tokens', 2, 4]), w: denseRow([4, 4]) }, attributes: {}, says: 'need two axes' },
  ],
})
