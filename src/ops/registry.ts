import type { AnyOp } from '../ir/op.ts'
import { add } from './add.ts'
import { attention } from './attention.ts'
import { cachedAttention } from './cachedAttention.ts'
import { cacheWrite } from './cacheWrite.ts'
import { carriedConvolution } from './carriedConvolution.ts'
import { carriedDeltaRule } from './carriedDeltaRule.ts'
import { causalConvolution } from './causalConvolution.ts'
import { decayGate } from './decayGate.ts'
import { deltaRule } from './deltaRule.ts'
import { embedding } from './embedding.ts'
import { gatedRmsNorm } from './gatedRmsNorm.ts'
import { gelu } from './gelu.ts'
import { glu } from './glu.ts'
import { l2Norm } from './l2Norm.ts'
import { layerNorm } from './layerNorm.ts'
import { linear } from './linear.ts'
import { linearGlu } from './linearGlu.ts'
import { matmul } from './matmul.ts'
import { multiply } from './multiply.ts'
import { poolRows } from './poolRows.ts'
import { quantize } from './quantize.ts'
import { relu } from './relu.ts'
import { reshape } from './reshape.ts'
import { residualRmsNorm } from './residualRmsNorm.ts'
import { rmsNorm } from './rmsNorm.ts'
import { rope } from './rope.ts'
import { ropeTable } from './ropeTable.ts'
import { scale } from './scale.ts'
import { sigmoid } from './sigmoid.ts'
import { silu } from './silu.ts'
import { slice } from './slice.ts'
import { sliceHeads } from './sliceHeads.ts'
import { softCap } from './softCap.ts'
import { softmax } from './softmax.ts'
import { takeRows } from './takeRows.ts'

/** Every op by its name. */
export const ops = {
  add,
  attention,
  cachedAttention,
  cacheWrite,
  carriedConvolution,
  carriedDeltaRule,
  causalConvolution,
  decayGate,
  deltaRule,
  embedding,
  gatedRmsNorm,
  gelu,
  glu,
  l2Norm,
  layerNorm,
  linear,
  linearGlu,
  matmul,
  multiply,
  poolRows,
  quantize,
  relu,
  reshape,
  residualRmsNorm,
  rmsNorm,
  rope,
  ropeTable,
  scale,
  sigmoid,
  silu,
  slice,
  sliceHeads,
  softCap,
  softmax,
  takeRows,
} as const satisfies { readonly [name: string]: AnyOp }

export type OpName = keyof typeof ops
