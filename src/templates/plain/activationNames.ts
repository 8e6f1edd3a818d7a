import type { Activation } from '../../ops/activations.ts'
import type { ConfigReader } from '../configReader.ts'

/** What checkpoints call the activations; the first name of each is the one that is written. */
const names: { readonly [A in Activation]: readonly [string, ...string[]] } = {
  silu: ['silu', 'swish'],
  gelu_tanh: ['gelu_new', 'gelu_pytorch_tanh', 'gelu_fast'],
  gelu_erf: ['gelu', 'gelu_python'],
  relu: ['relu'],
}

/** The activation that a key names; refuses others than those of the table. */
export function readActivation(read: ConfigReader, key: string, fallback: Activation): Activation {
  const name = read.choice(key, Object.values(names).flat(), names[fallback][0])
  const activations = Object.keys(names) as Activation[]
  return activations.find((activation) => names[activation].includes(name))!
}

/** Which of an activation's names: `hub` is that of most published config.json, `gpt2` that of GPT-2's. */
export type ActivationSpelling = 'hub' | 'gpt2'

/** What config.json calls an activation. */
export function spelledActivation(activation: Activation, spelling: ActivationSpelling = 'hub'): string {
  return activation === 'gelu_tanh' && spelling === 'hub' ? 'gelu_pytorch_tanh' : activationName(activation)
}

/** The name that is written for an activation. */
export function activationName(activation: Activation): string {
  return names[activation][0]
}
