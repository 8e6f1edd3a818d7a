import type { KernelName } from '../../src/kernels/registry.ts'
import { attention } from './references/attention.ts'
import { cache } from './references/cache.ts'
import { convolution } from './references/convolution.ts'
import { delta } from './references/delta.ts'
import { embedding } from './references/embedding.ts'
import { linear } from './references/linear.ts'
import { matmul } from './references/matmul.ts'
import { norm } from './references/norm.ts'
import { pointwise } from './references/pointwise.ts'
import { quantize } from './references/quantize.ts'
import type { Reference } from './references/reference.ts'
import { rope } from './references/rope.ts'
import { rows } from './references/rows.ts'
import { selfAttention } from './references/selfAttention.ts'
import { softmax } from './references/softmax.ts'

/** How every kernel is judged; a forgotten one does not compile. */
export const references: { readonly [N in KernelName]: Reference } = {
  ...attention,
  ...cache,
  ...convolution,
  ...delta,
  ...embedding,
  ...linear,
  ...matmul,
  ...norm,
  ...pointwise,
  ...quantize,
  ...rope,
  ...rows,
  ...selfAttention,
  ...softmax,
}
