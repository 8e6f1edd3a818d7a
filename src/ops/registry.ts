import type { AnyOp } from '../ir/op.ts'
import { activateBackward } from './activateBackward.ts'
import { adamW } from './adamW.ts'
import { add } from './add.ts'
import { attention } from './attention.ts'
import { attentionBackward } from './attentionBackward.ts'
import { average } from './average.ts'
import { cachedAttention } from './cachedAttention.ts'
import { cacheWrite } from './cacheWrite.ts'
import { carriedConvolution } from './carriedConvolution.ts'
import { carriedDeltaRule } from './carriedDeltaRule.ts'
import { cast } from './cast.ts'
import { causalConvolution } from './causalConvolution.ts'
import { causalConvolutionBackward } from './causalConvolutionBackward.ts'
import { clipScale } from './clipScale.ts'
import { constant } from './constant.ts'
import { crossEntropy } from './crossEntropy.ts'
import { crossEntropyBackward } from './crossEntropyBackward.ts'
import { decayGate } from './decayGate.ts'
import { decayGateBackward } from './decayGateBackward.ts'
import { deltaRule } from './deltaRule.ts'
import { deltaRuleBackward } from './deltaRuleBackward.ts'
import { embedding } from './embedding.ts'
import { embeddingBackward } from './embeddingBackward.ts'
import { gatedRmsNorm } from './gatedRmsNorm.ts'
import { gatedRmsNormBackward } from './gatedRmsNormBackward.ts'
import { gelu } from './gelu.ts'
import { glu } from './glu.ts'
import { gluBackward } from './gluBackward.ts'
import { gradientNorm } from './gradientNorm.ts'
import { gradientSquares } from './gradientSquares.ts'
import { headLoss } from './headLoss.ts'
import { headLossGradients } from './headLossGradients.ts'
import { l2Norm } from './l2Norm.ts'
import { l2NormBackward } from './l2NormBackward.ts'
import { layerNorm } from './layerNorm.ts'
import { layerNormBackward } from './layerNormBackward.ts'
import { linear } from './linear.ts'
import { linearGlu } from './linearGlu.ts'
import { lion } from './lion.ts'
import { matmul } from './matmul.ts'
import { momentum } from './momentum.ts'
import { multiply } from './multiply.ts'
import { muonMomentum } from './muonMomentum.ts'
import { muonUpdate } from './muonUpdate.ts'
import { poolRows } from './poolRows.ts'
import { poolRowsBackward } from './poolRowsBackward.ts'
import { quantize } from './quantize.ts'
import { relu } from './relu.ts'
import { reshape } from './reshape.ts'
import { residualRmsNorm } from './residualRmsNorm.ts'
import { rmsNorm } from './rmsNorm.ts'
import { rmsNormBackward } from './rmsNormBackward.ts'
import { rope } from './rope.ts'
import { ropeTable } from './ropeTable.ts'
import { scale } from './scale.ts'
import { sgd } from './sgd.ts'
import { sigmoid } from './sigmoid.ts'
import { sigmoidBackward } from './sigmoidBackward.ts'
import { silu } from './silu.ts'
import { slice } from './slice.ts'
import { sliceBackward } from './sliceBackward.ts'
import { sliceHeads } from './sliceHeads.ts'
import { softCap } from './softCap.ts'
import { softCapBackward } from './softCapBackward.ts'
import { softmax } from './softmax.ts'
import { softmaxBackward } from './softmaxBackward.ts'
import { sumRows } from './sumRows.ts'
import { takeRows } from './takeRows.ts'
import { takeRowsBackward } from './takeRowsBackward.ts'
import { unitNorm } from './unitNorm.ts'
import { weightCopy } from './weightCopy.ts'

/** Every op by its name. */
export const ops = {
  activateBackward,
  adamW,
  add,
  attention,
  attentionBackward,
  average,
  cachedAttention,
  cacheWrite,
  carriedConvolution,
  carriedDeltaRule,
  cast,
  causalConvolution,
  causalConvolutionBackward,
  clipScale,
  constant,
  crossEntropy,
  crossEntropyBackward,
  decayGate,
  decayGateBackward,
  deltaRule,
  deltaRuleBackward,
  embedding,
  embeddingBackward,
  gatedRmsNorm,
  gatedRmsNormBackward,
  gelu,
  glu,
  gluBackward,
  headLoss,
  headLossGradients,
  gradientNorm,
  gradientSquares,
  l2Norm,
  l2NormBackward,
  layerNorm,
  layerNormBackward,
  linear,
  linearGlu,
  lion,
  matmul,
  momentum,
  multiply,
  muonMomentum,
  muonUpdate,
  poolRows,
  poolRowsBackward,
  quantize,
  relu,
  reshape,
  residualRmsNorm,
  rmsNorm,
  rmsNormBackward,
  rope,
  ropeTable,
  scale,
  sgd,
  sigmoid,
  sigmoidBackward,
  silu,
  slice,
  sliceBackward,
  sliceHeads,
  softCap,
  softCapBackward,
  softmax,
  softmaxBackward,
  sumRows,
  takeRows,
  takeRowsBackward,
  unitNorm,
  weightCopy,
} as const satisfies { readonly [name: string]: AnyOp }

export type OpName = keyof typeof ops
