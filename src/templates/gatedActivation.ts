import type { GgufValue } from '../formats/ggufValue.ts'
import type { Activation } from '../kernels/activations.ts'
import type { ConfigReader } from './configReader.ts'

/** transformers' names of the functions that there are here, several of them for the same. */
export const activationNames = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu_erf',
  gelu_python: 'gelu_erf',
  gelu_accurate: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_new: 'gelu_tanh',
  gelu_python_tanh: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  relu: 'relu',
} as const satisfies Readonly<Record<string, Activation>>

type Name = keyof typeof activationNames

/** The function of a key of config.json; refuses others. */
export function activationFromTransformers(read: ConfigReader, key: string, usual: Name): Activation {
  return activationNames[read.choice(key, Object.keys(activationNames) as Name[], usual)]
}

/** GGUF has no key for it, each family having its own function; ours stands where a model has another one. */
const ggufKey = 'feed_forward_activation'

/** The function of a GGUF file, the family's usual one unless it says otherwise. */
export function activationFromGguf(read: ConfigReader, usual: Activation): Activation {
  return read.choice(ggufKey, ['silu', 'gelu_tanh', 'gelu_erf', 'relu'], usual)
}

/** What `activationFromGguf` reads, behind the family's name. */
export function activationMetadata(activation: Activation, usual: Activation): Readonly<Record<string, GgufValue>> {
  return activation === usual ? {} : { [ggufKey]: { type: 'string', value: activation } }
}
