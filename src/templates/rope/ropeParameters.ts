import type { Json } from '../../formats/checkpoint.ts'
import type { StoredVector } from '../template.ts'
import type { RopeConfig } from './ropeScaling.ts'
import { weightName } from './ropeTables.ts'

/** How config.json says a rope: the object `rope_parameters`. `context`: tokens that the model was made for. */
export function ropeParameters(
  { pairs, parameters, divisors, scale, magnitude }: RopeConfig,
  context: number,
  stored: StoredVector,
): { readonly [key: string]: Json } {
  const valuesOf = ({ name, values }: RopeConfig['divisors'][number]) => values ?? stored(weightName(name, 0))
  const [first, second] = divisors
  if (parameters.rope_type === 'longrope') {
    return { ...parameters, long_factor: valuesOf(first!), short_factor: valuesOf(second!) }
  }
  const isSaid = (first?.values !== undefined || !first) && (magnitude === 1 || 'attention_factor' in parameters)
  if (isSaid) return parameters
  // Divisors in a file do not say what they follow from; this kind takes any list, here for every length alike.
  const list = (first ? valuesOf(first) : new Array<number>(pairs).fill(1)).map((value) => value / scale)
  const { rope_theta, partial_rotary_factor } = parameters
  return {
    rope_type: 'longrope',
    ...(rope_theta === undefined ? {} : { rope_theta }),
    ...(partial_rotary_factor === undefined ? {} : { partial_rotary_factor }),
    factor: 1,
    original_max_position_embeddings: context,
    attention_factor: magnitude,
    long_factor: list,
    short_factor: list,
  }
}
