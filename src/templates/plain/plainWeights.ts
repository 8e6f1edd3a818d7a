import type { WeightSpec } from '../template.ts'
import type { PlainConfig } from './plainConfig.ts'

/** The weight and the bias of a norm, `width` wide; `theirParts` are their names in a transformers folder. */
export function normSpecs(
  name: string,
  transformers: string,
  width: number,
  theirParts: readonly [string, string] = ['weight', 'bias'],
): readonly WeightSpec[] {
  return ['weight', 'bias'].map((part, i) => ({
    name: `${name}.${part}`,
    gguf: `${name}.${part}`,
    transformers: `${transformers}.${theirParts[i]}`,
    shape: [width],
  }))
}

/** The matrix of a product and, where the config has them, its bias. */
export function productSpecs(
  { hasBias }: PlainConfig,
  name: string,
  transformers: string,
  [rows, cols]: readonly [number, number],
  transform?: WeightSpec['transform'],
): readonly WeightSpec[] {
  const spec = (part: string, shape: readonly number[]): WeightSpec => ({
    name: `${name}.${part}`,
    gguf: `${name}.${part}`,
    transformers: `${transformers}.${part}`,
    shape,
  })
  const matrix = { ...spec('weight', [rows, cols]), ...(transform ? { transform } : {}) }
  return hasBias ? [matrix, spec('bias', [rows])] : [matrix]
}
