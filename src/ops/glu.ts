import { defineOp } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { activationCodes } from '../kernels/activations.ts'
import { gluForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { activationOf, checkActivation, type GluAttributes } from './activations.ts'
import { gluBackward } from './gluBackward.ts'
import { denseRow, widthFrom } from './shapes.ts'

/** Columns of the smallest pieces of a row that parts take: a cache line. */
const pieceColumns = 16

/** y = activation(gate) · up */
export const glu = defineOp({
  name: 'glu',
  inputs: { gate: ['f32'], up: ['f32'] },
  outputs: ['y'],
  infer({ gate, up }, attributes: GluAttributes, refuse) {
    if (gate.shape.join() !== up.shape.join())
      refuse(`gate is [${gate.shape}] and up is [${up.shape}]; they must be equal`)
    checkActivation(attributes, refuse)
    return { y: gate }
  },
  reference({ gate, up }, { activation }) {
    return { y: mapTensor(gate, (value, i) => activationOf[activation](value) * up.data[i]!) }
  },
  vjp({ gate, up }, _outputs, { y: dy }, attributes, g) {
    const { dgate, dup } = g.apply(gluBackward, 'gate', { gate, up, dy }, attributes)
    return { gate: dgate, up: dup }
  },
  lower({ gate, up }, { y }, { activation }, to) {
    const cols = widthFrom(y.type, 1)
    to.call(gluForward, {
      rows: y.type.shape[0]!,
      cols,
      pieces: cols % pieceColumns === 0 ? cols / pieceColumns : 1,
      gateRow: to.stride(gate),
      upRow: to.stride(up),
      yRow: to.stride(y),
      activation: activationCodes[activation],
      gate,
      up,
      y,
    })
  },
  tolerance: { relative: 4 },
  samples: (lanes) =>
    (['silu', 'gelu_tanh', 'gelu_erf', 'relu'] as const).flatMap((activation) =>
      [1, lanes - 1, 2 * lanes + 1].map((cols) => ({
        inputs: { gate: { dtype: 'f32', shape: [3, cols] }, up: { dtype: 'f32', shape: [3, cols] } } as const,
        attributes: { activation },
      })),
    ),
  refusals: [
    {
      inputs: { gate: denseRow(['tokens', 8]), up: denseRow(['tokens', 9]) },
      attributes: { activation: 'silu' },
      says: 'they must be equal',
    },
    {
      inputs: { gate: denseRow(['tokens', 8]), up: denseRow(['tokens', 8]) },
      attributes: { activation: 'sine' as 'silu' },
      says: "activation is 'sine'",
    },
  ],
})
