import { attentionForward, attentionMergeForward, attentionSegmentsForward } from './attention/attention.kernel.ts'
import { cacheKeysForward, cacheValuesForward } from './cache/cache.kernel.ts'
import { narrowForward, widenForward } from './cast/cast.kernel.ts'
import {
  causalConvolutionBackward,
  causalConvolutionForward,
  causalConvolutionRowsForward,
} from './convolution/convolution.kernel.ts'
import { deltaRuleBackward, deltaRuleForward, deltaRuleRowsForward } from './delta/delta.kernel.ts'
import { embeddingForward } from './embedding/embedding.kernel.ts'
import { clipForward, rootOfSumForward, squaresForward, unitNormForward } from './gradient/gradient.kernel.ts'
import type { Kernel } from './kernel.ts'
import { linearForward, linearGluForward } from './linear/linear.kernel.ts'
import {
  crossEntropyFusedGradient,
  crossEntropyGradient,
  crossEntropyMeanForward,
  crossEntropyRowsForward,
} from './loss/loss.kernel.ts'
import { matmulForward } from './matmul/matmul.kernel.ts'
import {
  gatedRmsNormForward,
  l2NormForward,
  layerNormForward,
  residualRmsNormForward,
  rmsNormForward,
} from './norm/norm.kernel.ts'
import {
  gatedRmsNormGradient,
  l2NormGradient,
  layerNormGainGradient,
  layerNormGradient,
  rmsNormGainGradient,
  rmsNormGradient,
} from './normgrad/normgrad.kernel.ts'
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
import { ropeForward, ropeGradient, ropeTableForward } from './rope/rope.kernel.ts'
import {
  copyForward,
  meanRowsForward,
  meanRowsGradient,
  sliceHeadsForward,
  sliceHeadsGradient,
  takeRowsForward,
} from './rows/rows.kernel.ts'
import { selfAttentionBackward, selfAttentionForward } from './selfattention/selfattention.kernel.ts'
import {
  activateGradient,
  decayGateGradient,
  gluGradient,
  sigmoidGradient,
  softCapGradient,
  softmaxGradient,
} from './slopes/slopes.kernel.ts'
import { softmaxForward } from './softmax/softmax.kernel.ts'
import { fillForward, sumRowsForward, takeRowsGradient } from './sums/sums.kernel.ts'
import {
  adamWForward,
  averageForward,
  lionForward,
  momentumForward,
  muonMomentumForward,
  muonUpdateForward,
  sgdForward,
  weightCopyForward,
} from './update/update.kernel.ts'

/**
 * All kernels of a family. Its C is `src/kernels/<family>/<family>.c`, which includes the generated `<family>.h`
 * (printHeader.ts) and the shared headers.
 */
export const families = {
  attention: [...Object.values(attentionForward), ...Object.values(attentionSegmentsForward), attentionMergeForward],
  cache: [...Object.values(cacheKeysForward), ...Object.values(cacheValuesForward)],
  cast: [narrowForward, widenForward],
  convolution: [causalConvolutionForward, causalConvolutionRowsForward, causalConvolutionBackward],
  delta: [deltaRuleForward, deltaRuleRowsForward, deltaRuleBackward],
  embedding: Object.values(embeddingForward),
  gradient: [squaresForward, rootOfSumForward, clipForward, unitNormForward],
  linear: [...Object.values(linearForward), ...Object.values(linearGluForward)],
  loss: [crossEntropyRowsForward, crossEntropyMeanForward, crossEntropyGradient, crossEntropyFusedGradient],
  matmul: [
    ...Object.values(matmulForward.nn.f32),
    ...Object.values(matmulForward.nn.bf16),
    ...Object.values(matmulForward.nt.f32),
    ...Object.values(matmulForward.nt.bf16),
    ...Object.values(matmulForward.tn.f32),
    ...Object.values(matmulForward.tn.bf16),
    ...Object.values(matmulForward.tt.f32),
    ...Object.values(matmulForward.tt.bf16),
  ],
  norm: [rmsNormForward, layerNormForward, residualRmsNormForward, l2NormForward, gatedRmsNormForward],
  normgrad: [
    rmsNormGradient,
    rmsNormGainGradient,
    layerNormGradient,
    layerNormGainGradient,
    l2NormGradient,
    gatedRmsNormGradient,
  ],
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
  rope: [ropeTableForward, ...Object.values(ropeForward), ...Object.values(ropeGradient)],
  rows: [
    ...[copyForward, sliceHeadsForward, sliceHeadsGradient, ...Object.values(takeRowsForward)],
    ...[meanRowsForward, meanRowsGradient],
  ],
  selfattention: [selfAttentionForward, selfAttentionBackward],
  slopes: [activateGradient, gluGradient, sigmoidGradient, softCapGradient, softmaxGradient, decayGateGradient],
  softmax: [softmaxForward],
  update: [
    adamWForward,
    sgdForward,
    momentumForward,
    lionForward,
    muonUpdateForward,
    muonMomentumForward,
    averageForward,
    weightCopyForward,
  ],
  sums: [sumRowsForward, takeRowsGradient, fillForward],
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
    'ahead.h',
    'attend.h',
    'attendBack.h',
    'attendTiles.h',
    'bfloats.h',
    'blockProduct.h',
    'blockTiles.h',
    'blocks.h',
    'cached.h',
    'chunks.h',
    'codes.h',
    'columns.h',
    'deltaBack.h',
    'dot.h',
    'exp.h',
    'floatProduct.h',
    'floatTiles.h',
    'formats.h',
    'halves.h',
    'lines.h',
    'matrix.h',
    'pairs.h',
    'panels.h',
    'pieces.h',
    'product.h',
    'reduce.h',
    'rowMax.h',
    'rowSum.h',
    'runs.h',
    'simd.h',
    'slope.h',
    'softplus.h',
    'split.h',
    'strips.h',
    'turn.h',
    'weighStrip.h',
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
