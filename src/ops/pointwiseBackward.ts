import type { Attributes, Dim } from '../ir/graph.ts'
import { defineOp, type Lowering, type Operand, type StrideOf } from '../ir/op.ts'
import { type Tensor, tensor } from '../ir/tensor.ts'
import { denseRow, widthFrom } from './shapes.ts'

/** The gradient of an op of one operand: dx, from dy and what the op read (`x`) or gave (`y`), all of one shape. */
export function definePointwiseBackward<const V extends 'x' | 'y', A extends Attributes>(
  name: string,
  value: V,
  {
    gradient,
    lower,
    kinds,
    narrowest = 1,
  }: {
    /** Writes dx of all elements. */
    readonly gradient: (value: Tensor, dy: Tensor, attributes: A, dx: Tensor) => void
    /** Calls the kernel. */
    readonly lower: (operands: SlopeOperands, attributes: A, to: Lowering) => void
    /** Attributes of the samples. */
    readonly kinds: readonly A[]
    /** Columns of the narrowest sample. */
    readonly narrowest?: number
  },
) {
  const sized = (cols: number) => ({ dtype: 'f32' as const, shape: [3, cols] })
  const both = <T>(one: T, dy: T) => ({ [value]: one, dy }) as { readonly [K in V | 'dy']: T }
  return defineOp<V | 'dy', 'dx', A>({
    name,
    inputs: both(['f32'], ['f32']),
    outputs: ['dx'],
    infer(inputs, _attributes, refuse) {
      const { [value]: read, dy } = inputs
      if (read.shape.length < 2) refuse(`${value} needs two axes or more`)
      if (read.shape.join() !== dy.shape.join())
        refuse(`${value} is [${read.shape}] and dy is [${dy.shape}]; they must be equal`)
      return { dx: read }
    },
    reference(inputs, attributes) {
      const dx = tensor(inputs.dy.shape)
      gradient(inputs[value], inputs.dy, attributes, dx)
      return { dx }
    },
    lower(inputs, { dx }, attributes, to) {
      lower({ value: inputs[value], dy: inputs.dy, dx }, attributes, to)
    },
    tolerance: { relative: 8 },
    samples: (lanes) =>
      kinds.flatMap((attributes) =>
        [narrowest, lanes - 1, 2 * lanes + 1].map((cols) => ({ inputs: both(sized(cols), sized(cols)), attributes })),
      ),
    refusals: [
      {
        inputs: both(denseRow(['tokens', 8]), denseRow(['tokens', 9])),
        attributes: kinds[0]!,
        says: 'they must be equal',
      },
    ],
  })
}

/** What the kernel of a gradient reads and writes. */
export interface SlopeOperands {
  readonly value: Operand
  readonly dy: Operand
  readonly dx: Operand
}

/** The arguments of a kernel that takes the elements of rows one by one, with `value` and `dy` as they lie. */
export function elementRows(
  { value, dy, dx }: SlopeOperands,
  to: Lowering,
): SlopeOperands & { readonly [dim in 'rows' | 'cols' | 'valueRow' | 'dyRow' | 'dxRow']: Dim | StrideOf } {
  const strides = { valueRow: to.stride(value), dyRow: to.stride(dy), dxRow: to.stride(dx) }
  return { rows: dx.type.shape[0]!, cols: widthFrom(dx.type, 1), ...strides, value, dy, dx }
}

/** dx = dy · slope(value), element by element. */
export function eachElement<A>(slope: (value: number, attributes: A) => number) {
  return (value: Tensor, dy: Tensor, attributes: A, dx: Tensor): void => {
    value.data.forEach((at, i) => {
      dx.data[i] = dy.data[i]! * slope(at, attributes)
    })
  }
}
