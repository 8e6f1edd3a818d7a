import type { GgufValue } from '../../formats/ggufValue.ts'
import type { GraphBuilder } from '../../ir/build.ts'
import type { Operand } from '../../ir/op.ts'
import { ropeTable } from '../../ops/ropeTable.ts'
import type { WeightSpec } from '../template.ts'
import type { RopeConfig } from './ropeScaling.ts'

/** Cosines and sines of `positions` for each of a model's ropes. `w` gives the weights that `ropeSpecs` names. */
export function ropeTables(
  g: GraphBuilder,
  ropes: readonly RopeConfig[],
  w: (name: string) => Operand,
  positions: Operand,
): readonly Operand[] {
  return ropes.map(({ pairs, theta, scale, magnitude, divisors }, i) => {
    const list = divisors.find(({ isUsed }) => isUsed)
    const factors = list ? { factors: w(weightName(list.name, i)) } : {}
    const attributes = { pairs, theta, scale, ...(magnitude === 1 ? {} : { magnitude }) }
    return g.apply(ropeTable, i === 0 ? 'rope' : `rope_${i}`, { positions, ...factors }, attributes)
  })
}

/** The weights that hold the divisors of frequencies. */
export function ropeSpecs(ropes: readonly RopeConfig[]): readonly WeightSpec[] {
  return ropes.flatMap(({ divisors, pairs }, i) =>
    divisors.map(({ name, values, isDerived }) => {
      const named = weightName(name, i)
      return {
        ...{ name: named, gguf: named, transformers: named, shape: [pairs] },
        ...(values ? { values } : {}),
        ...(isDerived ? { isDerived } : {}),
      }
    }),
  )
}

/** How GGUF says a rope: keys behind the family's name. */
export function ropeMetadata({ theta, pairs, metadata }: RopeConfig): Readonly<Record<string, GgufValue>> {
  return {
    'rope.freq_base': { type: 'float32', value: theta },
    'rope.dimension_count': { type: 'uint32', value: 2 * pairs },
    ...metadata,
  }
}

/** Our name of the list `name` of the rope `rope`: GGUF has names for the first rope's. */
export function weightName(name: string, rope: number): string {
  return rope === 0 ? name : `rope_${rope}.${name}`
}
