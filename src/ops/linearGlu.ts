import { dtypes, isBlockDtype, weightDtypes } from '../base/dtypes.ts'
import { defineOp } from '../ir/op.ts'
import { activationCodes } from '../kernels/activations.ts'
import { linearGluForward } from '../kernels/linear/linear.kernel.ts'
import { checkActivation, type GluAttributes } from './activations.ts'
import { glu } from './glu.ts'
import { linear } from './linear.ts'
import { denseRow, lastAxis, weightDtypeOf } from './shapes.ts'

/** y = activation(x · gateᵀ) · (x · upᵀ), with both products in one pass over x. */
export const linearGlu = defineOp({
  name: 'linearGlu',
  inputs: { x: ['f32', 'a8'], gate: weightDtypes, up: weightDtypes },
  outputs: ['y'],
  infer({ x, gate, up }, attributes: GluAttributes, refuse) {
    if (x.shape.length !== 2 || gate.shape.length !== 2 || up.shape.length !== 2) refuse('x, gate and up need two axes')
    if (gate.dtype !== up.dtype || gate.shape.join() !== up.shape.join()) {
      refuse(`gate is ${gate.dtype}[${gate.shape}] and up is ${up.dtype}[${up.shape}]; they must be equal`)
    }
    if (lastAxis(x) !== lastAxis(gate)) refuse(`x has ${lastAxis(x)} columns and gate has ${lastAxis(gate)}`)
    checkActivation(attributes, refuse)
    return { y: { dtype: 'f32', shape: [x.shape[0]!, gate.shape[0]!] } }
  },
  decompose(g, { x, gate, up }, attributes) {
    const products = {
      gate: g.apply(linear, 'gate.product', { x, w: gate }, {}),
      up: g.apply(linear, 'up.product', { x, w: up }, {}),
    }
    return { y: g.apply(glu, 'gated', products, attributes) }
  },
  lower({ x, gate, up }, { y }, { activation }, to) {
    const sizes = { tokens: x.type.shape[0]!, rows: gate.type.shape[0]!, cols: lastAxis(x.type), yRow: to.stride(y) }
    const dims = { ...sizes, activation: activationCodes[activation] }
    const w = { packed: [gate, up] }
    const dtype = weightDtypeOf(gate.type)
    if (isBlockDtype(dtype)) {
      to.call(linearGluForward[dtype], { ...dims, x, w, y })
    } else {
      to.call(linearGluForward[dtype], { ...dims, xRow: to.stride(x), x, w, y })
    }
  },
  tolerance: { relative: 64 },
  samples: (lanes) =>
    weightDtypes.flatMap((dtype) => {
      const { blockElements } = dtypes[dtype]
      const x = blockElements > 1 ? 'a8' : 'f32'
      const narrow = Math.max(64, blockElements)
      return [
        [1, narrow],
        [lanes, narrow],
        [3 * lanes - 1, 2048],
      ].flatMap(([rows = 0, cols = 0]) =>
        [1, 5].map((tokens) => {
          const activation = tokens === 1 ? 'silu' : rows === 1 ? 'gelu_erf' : 'gelu_tanh'
          const w = { dtype, shape: [rows, cols] } as const
          return {
            inputs: { x: { dtype: x, shape: [tokens, cols] } as const, gate: w, up: w },
            attributes: { activation },
          }
        }),
      )
    }),
  refusals: [
    {
      inputs: { x: denseRow(['tokens', 8]), gate: denseRow([4, 8]), up: denseRow([5, 8]) },
      attributes: { activation: 'silu' },
      says: 'they must be equal',
    },
  ],
})
