import { attentionForward, attentionMergeForward, attentionSegmentsForward } from './attention/attention.kernel.ts'
import { cacheKeysForward, cacheValuesForward } from './cache/cache.kernel.ts'
import { causalConvolutionForward } from './convolution/convolution.kernel.ts'
import { deltaRuleForward } from './delta/delta.kernel.ts'
import { embeddingForward } from './embedding/embedding.kernel.ts'
import type { Kernel } from './kernel.ts'
import { linearForward, linearGluForward } from './linear/linear.kernel.ts'
import { matmulForward } from './matmul/matmul.kernel.ts'
import {
  gatedRmsNormForward,
  l2NormForward,
  layerNormForward,
  residualRmsNormForward,
  rmsNormForward,
} from './norm/norm.kernel.ts'
import {
  activateForward,
  addForward,
  decayGateForward,
  gluForward,
  multiplyForward,
  scaleForward,
  sigmoidForward,
  softCapForward,
} from './pointwise/pointwise.kernel.ts'
import { quantizeForward } from './quantize/quantize.kernel.ts'
import { ropeForward, ropeTableForward } from './rope/rope.kernel.ts'
import { copyForward, meanRowsForward, sliceHeadsForward, takeRowsForward } from './rows/rows.kernel.ts'
import { selfAttentionBackward, selfAttentionForward } from './selfAttention/selfAttention.kernel.ts'
import { softmaxForward } from './softmax/softmax.kernel.ts'

/**
 * All kernels of a family. Its C is `src/kernels/<family>/<family>.c`, which includes the generated `<family>.h`
 * (printHeader.ts) and the shared headers.
 */
export const families = {
  attention: [...Object.values(attentionForward), ...Object.values(attentionSegmentsForward), attentionMergeForward],
  cache: [...Object.values(cacheKeysForward), ...Object.values(cacheValuesForward)],
  convolution: [causalConvolutionForward],
  delta: [deltaRuleForward],
  embedding: Object.values(embeddingForward),
  linear: [...Object.values(linearForward), ...Object.values(linearGluForward)],
  matmul: Object.values(matmulForward).flatMap((form) => Object.values(form)),
  norm: [rmsNormForward, layerNormForward, residualRmsNormForward, l2NormForward, gatedRmsNormForward],
  pointwise: [
    gluForward,
    addForward,
    multiplyForward,
    activateForward,
    scaleForward,
    softCapForward,
    sigmoidForward,
    decayGateForward,
  ],
  quantize: [quantizeForward],
  rope: [ropeTableForward, ropeForward.split, ropeForward.pairwise],
  rows: [copyForward, sliceHeadsForward, takeRowsForward, meanRowsForward],
  selfAttention: [selfAttentionForward, selfAttentionBackward],
  softmax: [softmaxForward],
} as const

/** A folder of src/kernels. */
export type Family = keyof typeof families

/** The name of any kernel, as a type: tables over it are exhaustive or do not compile. */
export type KernelName = (typeof families)[Family][number]['name']

/** The names of all families, sorted. */
export const familyNames = Object.keys(families) as readonly Family[]

/** Headers in src/kernels that the families' C files may include by their bare names. */
export const sharedHeaders: readonly string[] = [
  ...[
    'a8.h',
    'activate.h',
    'attend.h',
    'attendTiles.h',
    'blocks.h',
    'cached.h',
    'codes.h',
    'dot.h',
    'matrix.h',
    'runs.h',
    'simd.h',
    'split.h',
    'strips.h',
    'tanh.h',
    'tiles.h',
  ],
]

/** The kernels of one family as plain declarations. */
export function kernelsOf(family: Family): readonly Kernel[] {
  return families[family]
}

/** Every kernel by name, in the order of the families. */
export const kernels: ReadonlyMap<string, Kernel> = new Map(
  familyNames.flatMap((family) => kernelsOf(family).map((kernel) => [kernel.name, kernel] as const)),
)
