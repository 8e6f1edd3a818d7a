import { fail } from '../base/errors.ts'
import type { Checkpoint, Json, TensorRecord } from '../formats/checkpoint.ts'
import { ConfigReader } from './configReader.ts'
import type { StoredVector, Template, TransformersForm, WeightSpec } from './template.ts'
import { transforms } from './transforms.ts'
import { storedShape } from './weightSource.ts'

/** The values of a weight by our name, row by row, as its template's spec shapes it. */
export type WeightValues = (weight: string) => Float32Array

/** A tensor of a transformers folder. */
export interface TransformersTensor {
  readonly name: string
  readonly shape: readonly number[]
  /** Our names of the weights that it holds, one below the other. */
  readonly weights: readonly string[]
  /** Its values, from those of its weights. */
  encode(valuesOf: WeightValues): Float32Array
}

/** A model as a transformers folder holds it. */
export interface TransformersModel extends Pick<TransformersForm, 'config' | 'pooling'> {
  readonly tensors: readonly TransformersTensor[]
}

/**
 * What a transformers folder holds of a model with this config, which came from any source. Refuses `transformers_lacks`
 * where config.json has no place for something that the config says.
 */
export function transformersModel<C>(template: Template<C>, config: C, stored: StoredVector): TransformersModel {
  const form = template.toTransformers(config, stored)
  const ours = new Map(template.weights(config).map((spec) => [spec.name, spec]))
  const target = readBack(template, form, [...ours.values()])
  const difference = firstDifference(comparable(config, stored), comparable(target, stored))
  if (difference !== undefined) fail('transformers_lacks', { template: template.name, what: difference })
  const holders = new Map<string, WeightSpec[]>()
  for (const spec of template.weights(target)) {
    // Values that follow from the config are in no file.
    if (spec.values) continue
    if (!ours.has(spec.name))
      fail('transformers_lacks', { template: template.name, what: `weights without ${spec.name}` })
    holders.set(spec.transformers, [...(holders.get(spec.transformers) ?? []), spec])
  }
  const tensors = [...holders].map(([name, specs]): TransformersTensor => {
    const [{ shape, part, transform }] = specs as [WeightSpec]
    const whole = part ? [part.of, ...shape.slice(1)] : shape
    return {
      name,
      shape: storedShape(whole, transform && transforms[transform]),
      weights: specs.map((spec) => spec.name),
      encode: (valuesOf) => joined(specs.map((spec) => encodeWeight(spec, form, valuesOf(spec.name)))),
    }
  })
  return { config: form.config, ...(form.pooling ? { pooling: form.pooling } : {}), tensors }
}

/** The config that config.json means. The tensors have names of ours, so that none speaks for an older form of folders. */
function readBack<C>(template: Template<C>, { config, pooling }: TransformersForm, specs: readonly WeightSpec[]): C {
  const record = ({ name, shape }: WeightSpec): TensorRecord => {
    return { name, shape, dtype: 'f32', file: name, offset: 0, bytes: 0 }
  }
  const checkpoint: Checkpoint = {
    path: template.name,
    name: template.name,
    architecture: template.transformers[0]!,
    description: { format: 'transformers', config, ...(pooling ? { pooling } : {}) },
    tensors: new Map(specs.map((spec) => [spec.name, record(spec)])),
    read: () => fail('engine_failed', { what: 'a tensor of a description was read' }),
    fingerprint: () => template.name,
    close: () => {},
  }
  return template.config.transformers(new ConfigReader(checkpoint))
}

function encodeWeight(
  { name, shape, transform }: WeightSpec,
  form: TransformersForm,
  values: Float32Array,
): Float32Array {
  const rule = transform && transforms[transform]
  const rows = shape[0]!
  const cols = shape[1] ?? 1
  const back = rule && 'stored' in rule ? rule.stored : (value: number) => value
  const out = new Float32Array(values.length)
  for (let row = 0; row < rows; row++) {
    const from = form.rowOf(name, row) * cols
    for (let col = 0; col < cols; col++) {
      const at = rule?.isTransposed ? col * rows + row : row * cols + col
      out[at] = back(values[from + (form.colOf && shape.length > 1 ? form.colOf(name, col) : col)]!)
    }
  }
  return out
}

function joined(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** What sources say each in their own way, or do not say at all, of the same computation. */
const spellings = [
  'metadata',
  'parameters',
  'style',
  'order',
  'prefix',
  'normParts',
  'extraLayers',
  'padding',
  'short',
  'reach',
]

/** A config without what may differ among sources of one model. */
function comparable(config: unknown, stored: StoredVector): Json {
  const text = JSON.stringify(config, (key, value: unknown) => {
    if (spellings.includes(key)) return undefined
    if (key === 'biases' || key === 'fused') return [...(value as string[])].toSorted()
    return isRope(value) ? effective(value, stored) : value
  })
  return JSON.parse(text) as Json
}

interface Rope {
  readonly scale: number
  readonly magnitude: number
  readonly divisors: readonly { readonly name: string; readonly values?: readonly number[]; readonly isUsed: boolean }[]
  readonly pairs: number
  readonly theta: number
}

function isRope(value: unknown): value is Rope {
  return typeof value === 'object' && value !== null && 'divisors' in value && 'theta' in value
}

/** A rotation by what each pair's frequency is divided by. */
function effective({ scale, magnitude, divisors, pairs, theta }: Rope, stored: StoredVector): Json {
  const used = divisors.find(({ isUsed }) => isUsed)
  const values = used ? (used.values ?? stored(used.name)) : new Array<number>(pairs).fill(1)
  return { pairs, theta, magnitude, turns: values.map((value) => value / scale) }
}

/** The first place in which two configs differ, as `pattern.0.window is 7`; undefined: they say the same. */
function firstDifference(config: Json, target: Json, path = ''): string | undefined {
  if (typeof config === 'number' && typeof target === 'number') {
    // Roots and quotients that one source stores and another makes.
    return Math.abs(config - target) <= 1e-9 * Math.abs(config) ? undefined : `${path} ${config}`
  }
  if (typeof config !== 'object' || typeof target !== 'object' || config === null || target === null) {
    return config === target ? undefined : `${path} ${JSON.stringify(config) ?? 'nothing'}`
  }
  const [own, other] = [config, target] as { readonly [key: string]: Json }[]
  for (const key of new Set([...Object.keys(own!), ...Object.keys(other!)])) {
    const found = firstDifference(own![key] ?? null, other![key] ?? null, path === '' ? key : `${path}.${key}`)
    if (found !== undefined) return found
  }
  return undefined
}
