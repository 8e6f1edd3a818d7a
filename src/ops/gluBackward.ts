import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { activationCodes } from '../kernels/activations.ts'
import { gluGradient } from '../kernels/slopes/slopes.kernel.ts'
import { slopeOf } from './activateBackward.ts'
import { activationOf, checkActivation, type GluAttributes } from './activations.ts'
import { denseRow, widthFrom } from './shapes.ts'

/** The gradients of y = f(gate) · up: dgate = dy · up · f'(gate), dup = dy · f(gate). */
export const gluBackward = defineOp({
  name: 'gluBackward',
  inputs: { gate: ['f32'], up: ['f32'], dy: ['f32'] },
  outputs: ['dgate', 'dup'],
  infer({ gate, up, dy }, attributes: GluAttributes, refuse) {
    for (const { shape } of [up, dy])
      if (shape.join() !== gate.shape.join()) refuse(`up or dy is [${shape}]; accepted: [${gate.shape}], as gate`)
    checkActivation(attributes, refuse)
    return { dgate: gate, dup: up }
  },
  reference({ gate, up, dy }, { activation }) {
    const [dgate, dup] = [tensor(gate.shape), tensor(up.shape)]
    dy.data.forEach((given, i) => {
      dgate.data[i] = given * up.data[i]! * slopeOf[activation](gate.data[i]!)
      dup.data[i] = given * activationOf[activation](gate.data[i]!)
    })
    return { dgate, dup }
  },
  lower({ gate, up, dy }, { dgate, dup }, { activation }, to) {
    const read = { gateRow: to.stride(gate), upRow: to.stride(up), dyRow: to.stride(dy) }
    const strides = { ...read, dgateRow: to.stride(dgate), dupRow: to.stride(dup) }
    const dims = { rows: dy.type.shape[0]!, cols: widthFrom(dy.type, 1), ...strides }
    to.call(gluGradient, { ...dims, activation: activationCodes[activation], gate, up, dy, dgate, dup })
  },
  tolerance: { relative: 8 },
  samples: (lanes) =>
    (['silu', 'gelu_tanh', 'gelu_erf', 'relu'] as const).flatMap((activation) =>
      [1, lanes - 1, 2 * lanes + 1].map((cols) => {
        const rows = { dtype: 'f32', shape: [3, cols] } as const
        return { inputs: { gate: rows, up: rows, dy: rows }, attributes: { activation } }
      }),
    ),
  refusals: [
    {
      inputs: { gate: denseRow(['tokens', 8]), up: denseRow(['tokens', 8]), dy: denseRow(['tokens', 9]) },
      attributes: { activation: 'silu' },
      says: 'up or dy is [tokens,9]; accepted: [tokens,8], as gate',
    },
  ],
})
