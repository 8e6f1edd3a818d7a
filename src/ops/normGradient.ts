import type { TensorType } from '../ir/graph.ts'
import { lastAxis } from './shapes.ts'

/** Refuses operands of the gradient of a norm that do not fit each other: gain [cols] and dy of the shape of x [.., cols]. */
export function checkNormGradient(
  { x, gain, dy }: { readonly [slot in 'x' | 'gain' | 'dy']: TensorType },
  refuse: (what: string) => never,
): void {
  if (x.shape.length < 2 || x.shape.length > 3) refuse(`x needs two or three axes, not ${x.shape.length}`)
  if (gain.shape.join() !== String(lastAxis(x))) refuse(`gain is [${gain.shape}]; accepted: [${lastAxis(x)}]`)
  if (dy.shape.join() !== x.shape.join()) refuse(`dy is [${dy.shape}]; accepted: [${x.shape}]`)
}

/** Cases for gradients of norms, of two and of three axes. */
export function normGradientSamples(lanes: number) {
  return [2, lanes - 1, 2 * lanes + 1].flatMap((cols) =>
    [
      [3, cols],
      [2, 3, cols],
    ].map((shape) => ({
      inputs: {
        x: { dtype: 'f32' as const, shape },
        gain: { dtype: 'f32' as const, shape: [cols] },
        dy: { dtype: 'f32' as const, shape },
      },
      attributes: { eps: 1e-5 },
    })),
  )
}
