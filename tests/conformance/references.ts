import type { KernelName } from '../../src/kernels/registry.ts'
import { attention } from './references/attention.ts'
import { cache } from './references/cache.ts'
import { cast } from './references/cast.ts'
import { convolution } from './references/convolution.ts'
import { delta } from './references/delta.ts'
import { embedding } from './references/embedding.ts'
import { gradient } from './references/gradient.ts'
import { linear } from './references/linear.ts'
import { loss } from './references/loss.ts'
import { matmul } from './references/matmul.ts'
import { norm } from './references/norm.ts'
import { normgrad } from './references/normgrad.ts'
import { pointwise } from './references/pointwise.ts'
import { quantize } from './references/quantize.ts'
import type { Reference } from './references/reference.ts'
import { rope } from './references/rope.ts'
import { rows } from './references/rows.ts'
import { selfAttention } from './references/selfattention.ts'
import { slopes } from './references/slopes.ts'
import { softmax } from './references/softmax.ts'
import { sums } from './references/sums.ts'
import { update } from './references/update.ts'

/** How every kernel is judged; a forgotten one does not compile. */
export const references: { readonly [N in KernelName]: Reference } = {
  ...attention,
  ...cache,
  ...cast,
  ...convolution,
  ...delta,
  ...embedding,
  ...gradient,
  ...linear,
  ...loss,
  ...matmul,
  ...norm,
  ...normgrad,
  ...pointwise,
  ...quantize,
  ...rope,
  ...rows,
  ...selfAttention,
  ...slopes,
  ...softmax,
  ...sums,
  ...update,
}

/** Does not compile where a kernel's name is no literal type: tables over KernelName would then accept anything. */
export const namesAreExact: string extends KernelName ? never : true = true
