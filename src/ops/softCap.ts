import { defineOp } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { softCapForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'
import { softCapBackward } from './softCapBackward.ts'

/** cap · tanh(value / cap), in float64; the value itself where the cap is 0. */
export function softCapOf(value: number, cap: number): number {
  return cap > 0 ? cap * Math.tanh(value / cap) : value
}

/** y = cap · tanh(x / cap): nearly x where |x| is small, never beyond the cap (Gemma Team 2024). */
export const softCap = defineOp({
  name: 'softCap',
  inputs: { x: ['f32'] },
  outputs: ['y'],
  keepsLogits: true,
  infer({ x }, { cap }: { cap: number }, refuse) {
    if (x.shape.length < 2) refuse('x needs two axes or more')
    if (!(cap > 0 && Number.isFinite(cap))) refuse(`cap is ${cap}; accepted: a number above 0`)
    return { y: x }
  },
  reference({ x }, { cap }) {
    return { y: mapTensor(x, (value) => softCapOf(value, cap)) }
  },
  vjp(_inputs, { y }, { y: dy }, attributes, g) {
    return { x: g.apply(softCapBackward, 'x', { y, dy }, attributes) }
  },
  lower({ x }, { y }, { cap }, to) {
    const strides = { xRow: to.stride(x), yRow: to.stride(y) }
    to.call(softCapForward, { rows: y.type.shape[0]!, cols: widthFrom(y.type, 1), ...strides, cap, x, y })
  },
  tolerance: { relative: 4 },
  samples: (lanes) =>
    [1, lanes - 1, 2 * lanes + 1].flatMap((cols) =>
      [0.4, 30].map((cap) => ({ inputs: { x: { dtype: 'f32', shape: [3, cols] } as const }, attributes: { cap } })),
    ),
  refusals: [
    { inputs: { x: denseRow([3]) }, attributes: { cap: 2 }, says: 'two axes' },
    { inputs: { x: denseRow(['tokens', 3]) }, attributes: { cap: 0 }, says: 'cap is 0' },
  ],
})
