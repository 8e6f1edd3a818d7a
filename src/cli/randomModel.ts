import type { WeightDtype } from '../base/dtypes.ts'
import { countValue, type GgufValue } from '../formats/ggufValue.ts'
import { type NamedShape, planTensors } from '../quantize/planTensors.ts'
import { type RecipeName, recipes } from '../quantize/recipes.ts'
import type { DecoderConfig } from '../templates/decoder/decoderConfig.ts'
import { llama } from '../templates/llama.ts'
import { qwen3 } from '../templates/qwen3.ts'
import { qwen35 } from '../templates/qwen35.ts'
import { llama3Divisors } from '../templates/rope/ropeDivisors.ts'
import type { Template, WeightSpec } from '../templates/template.ts'
import { madeUpVocabulary } from './madeUpVocabulary.ts'
import { type Shape, type ShapeName, shapes } from './shapes.ts'

/** A tensor of a random model: values of a vector, or the deviation of a matrix's. */
export interface RandomTensor extends NamedShape {
  readonly dtype: WeightDtype
  readonly values: readonly number[] | { readonly spread: number }
}

/** What a GGUF file of a random model holds. */
export interface RandomModel {
  readonly metadata: Readonly<Record<string, GgufValue>>
  readonly tensors: readonly RandomTensor[]
}

// A shape's config is of its own family.
const families = { llama, qwen3, qwen35 } as { readonly [F in Shape['family']]: Template<DecoderConfig> }

/** A model of a published shape. Matrices are in the recipe's formats, vectors in f32, as converters write them. */
export function randomModel(name: ShapeName, recipeName: RecipeName): RandomModel {
  const shape = shapes[name]
  const { config } = shape
  const template = families[shape.family]
  const recipe = recipes[recipeName]
  const specs = template.weights(config)
  const shapesOf = specs.map((spec) => ({ name: spec.gguf, shape: spec.shape }))
  const headsPerValue = config.heads / config.kvHeads
  const plan = planTensors(shapesOf, recipe, { path: name, rules: [], isWeighted: false, headsPerValue })
  const vocabulary = madeUpVocabulary(config.vocabulary)
  return {
    metadata: {
      'general.architecture': text(shape.family),
      'general.name': text(`random ${name} ${recipeName}`),
      'general.file_type': countValue(recipe.fileType),
      'general.quantization_version': countValue(2),
      ...template.toGguf(config).metadata,
      'tokenizer.ggml.model': text('gpt2'),
      'tokenizer.ggml.pre': text(shape.split),
      'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: vocabulary.tokens },
      'tokenizer.ggml.token_type': { type: 'array', of: 'int32', value: vocabulary.types },
      'tokenizer.ggml.merges': { type: 'array', of: 'string', value: vocabulary.merges },
      'tokenizer.ggml.bos_token_id': countValue(vocabulary.endOfText),
      'tokenizer.ggml.eos_token_id': countValue(vocabulary.endOfTurn),
      'tokenizer.ggml.padding_token_id': countValue(vocabulary.endOfText),
      'tokenizer.ggml.add_bos_token': { type: 'bool', value: false },
    },
    tensors: specs.map((spec, index) => tensorOf(spec, shape, plan.get(spec.gguf)!, index)),
  }
}

function tensorOf(spec: WeightSpec, shape: Shape, dtype: WeightDtype, index: number): RandomTensor {
  const { gguf: name, shape: dims } = spec
  const [rows = 1, cols] = dims
  // A product of unit inputs then has unit variance.
  if (cols !== undefined) return { name, shape: dims, dtype, values: { spread: cols ** -0.5 } }
  if (name === 'rope_freqs.weight') return { name, shape: dims, dtype, values: ropeDivisors(shape) }
  // A state keeps less than all of its values from token to token.
  const sign = name.endsWith('.ssm_a') ? -1 : 1
  return { name, shape: dims, dtype, values: gains(rows, index).map((gain) => sign * gain) }
}

/** Numbers from 0.8 to 1.2 all over that range: steps of the golden ratio. */
function gains(count: number, index: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => 0.8 + (((i + 1) * 0.6180339887498949 + index * 0.1) % 1) * 0.4)
}

function ropeDivisors({ scaling, config }: Shape): readonly number[] {
  const { pairs, theta } = config.ropes[0]!
  return scaling ? llama3Divisors(scaling, pairs, theta) : new Array<number>(pairs).fill(1)
}

const text = (value: string): GgufValue => ({ type: 'string', value })
