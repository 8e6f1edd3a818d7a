import type { TensorType } from '../ir/graph.ts'
import type { Lowering, Operand } from '../ir/op.ts'
import type { Tensor } from '../ir/tensor.ts'
import { axis, lastAxis } from './shapes.ts'

/**
 * Refuses operands of the gradient of a norm that do not fit each other: gain [cols], dy of the shape of x [.., cols], and
 * `sums`, what its results are added to, of the shapes of x or of the gain.
 */
export function checkNormGradient(
  { x, gain, dy }: { readonly [slot in 'x' | 'gain' | 'dy']: TensorType },
  sums: { readonly [slot: string]: TensorType | undefined },
  refuse: (what: string) => never,
): void {
  if (x.shape.length < 2 || x.shape.length > 3) refuse(`x needs two or three axes, not ${x.shape.length}`)
  if (gain.shape.join() !== String(lastAxis(x))) refuse(`gain is [${gain.shape}]; accepted: [${lastAxis(x)}]`)
  if (dy.shape.join() !== x.shape.join()) refuse(`dy is [${dy.shape}]; accepted: [${x.shape}]`)
  for (const [slot, type] of Object.entries(sums)) {
    const { shape } = slot === 'sum' ? x : gain
    if (type && type.shape.join() !== shape.join()) refuse(`${slot} is [${type.shape}]; accepted: [${shape}]`)
  }
}

/** What a gradient begins with: what it is added to, or zeros. */
export function startOf(sum: Tensor | undefined, { shape, data }: Tensor): Tensor {
  return { shape, data: sum?.data.slice() ?? new Float64Array(data.length) }
}

/** What the kernels of x [rows, cols] or [rows, groups, cols] need to know of it, and room for a number of each vector. */
export function vectorsOf({ x, dy }: { readonly [slot in 'x' | 'dy']: Operand }, to: Lowering) {
  const [rows, groups] = [x.type.shape[0]!, x.type.shape.length === 3 ? axis(x.type, 1) : 1]
  return {
    dims: { rows, groups, cols: lastAxis(x.type), xRow: to.stride(x), dyRow: to.stride(dy) },
    perVector: (name: string) => to.scratch(name, { dtype: 'f32', shape: [rows, groups] }),
  }
}

/**
 * Cases for gradients of norms, of two and of three axes; some with all of `sums`. Two numbers alone are all but normed away,
 * and their gradient is what rounding leaves.
 */
export function normGradientSamples(lanes: number, sums: readonly string[]) {
  return [5, lanes - 1, 2 * lanes + 1].flatMap((cols) =>
    [
      [3, cols],
      [2, 3, cols],
    ].map((shape) => ({
      inputs: {
        x: { dtype: 'f32' as const, shape },
        gain: { dtype: 'f32' as const, shape: [cols] },
        dy: { dtype: 'f32' as const, shape },
        ...Object.fromEntries(
          (cols === 5 ? [] : sums).map((slot) => [
            slot,
            { dtype: 'f32', shape: slot === 'sum' ? shape : [cols] } as const,
          ]),
        ),
      },
      attributes: { eps: 1e-5 },
    })),
  )
}
