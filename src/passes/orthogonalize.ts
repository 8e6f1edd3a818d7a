import type { GraphBuilder } from '../ir/build.ts'
import type { Operand } from '../ir/op.ts'
import { matmul } from '../ops/matmul.ts'
import { scale } from '../ops/scale.ts'
import { axis } from '../ops/shapes.ts'
import { unitNorm } from '../ops/unitNorm.ts'

/** Jordan 2024: the quintic that takes singular values between 0 and 1 fastest to about 1, and how often. */
const quintic = { a: 3.4445, b: -4.775, c: 2.0315 } as const
const rounds = 5

/**
 * About the nearest orthogonal matrix to a direction [rows, cols]: five rounds of x = a x + (b s + c s²) x, s = x xᵀ, from
 * x of norm 1 (Jordan 2024, the Newton-Schulz iteration). With more rows than columns s is xᵀ x, so that it is the smaller one.
 * Values are called after `weight`.
 */
export function orthogonalize(g: GraphBuilder, direction: Operand, weight: string): Operand {
  const isTall = axis(direction.type, 0) > axis(direction.type, 1)
  const { a, b, c } = quintic
  const apply = (name: string) => `${weight}.muon.${name}`
  const scaled = (name: string, x: Operand, factor: number) =>
    g.apply(scale, apply(name), { x }, { factor }, {}, weight)
  let x = g.apply(unitNorm, apply('unit'), { x: direction }, { eps: 1e-7 }, {}, weight)
  for (let round = 1; round <= rounds; round++) {
    const product = (name: string, left: Operand, right: Operand, sum?: Operand, transposes = {}) =>
      g.apply(
        matmul,
        apply(`${name}.${round}`),
        { a: left, b: right, ...(sum ? { sum } : {}) },
        { transposeA: false, transposeB: false, ...transposes },
        {},
        weight,
      )
    const s = product('s', x, x, undefined, isTall ? { transposeA: true } : { transposeB: true })
    const linear = scaled(`linear.${round}`, s, b)
    const square = scaled(`square.${round}`, s, c)
    const factor = product('factor', square, s, linear)
    const kept = scaled(`kept.${round}`, x, a)
    x = isTall ? product('x', x, factor, kept) : product('x', factor, x, kept)
  }
  return x
}
