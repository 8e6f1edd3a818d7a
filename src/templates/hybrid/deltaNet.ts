import type { Operand } from '../../ir/op.ts'
import { causalConvolution } from '../../ops/causalConvolution.ts'
import { decayGate } from '../../ops/decayGate.ts'
import { deltaRule } from '../../ops/deltaRule.ts'
import { gatedRmsNorm } from '../../ops/gatedRmsNorm.ts'
import { l2Norm } from '../../ops/l2Norm.ts'
import { linear } from '../../ops/linear.ts'
import { reshape } from '../../ops/reshape.ts'
import { sigmoid } from '../../ops/sigmoid.ts'
import { slice } from '../../ops/slice.ts'
import type { BlockContext } from '../decoder/decoderBlocks.ts'
import type { DeltaSizes } from './qwen35Config.ts'

/** Added to the squares of a key before their root, whatever the config's eps is. */
const keyEps = 1e-6

/**
 * A gated DeltaNet in the place of attention: q, k and v go through a short convolution, keys and queries are made of length
 * 1, the delta rule keeps a state per value head, and its results are normalised and gated.
 */
export function gatedDeltaNet({ g, c, w, named }: BlockContext, h: Operand, sizes: DeltaSizes): Operand {
  const { keyHeads, valueHeads, keyWidth, valueWidth, order } = sizes
  const product = (name: string) => g.apply(linear, named(name), { x: h, w: w(name) }, {})
  const heads = (name: string, x: Operand, count: number) =>
    g.apply(reshape, named(`${name}_heads`), { x }, { heads: count })
  const part = (name: string, x: Operand, from: number, cols: number) =>
    g.apply(slice, named(name), { x }, { from, cols })
  const mixed = product('attn_qkv')
  const gate = heads('attn_gate', product('attn_gate'), valueHeads)
  const beta = g.apply(sigmoid, named('ssm_keep'), { x: product('ssm_beta') }, {})
  const rates = { rate: w('ssm_a'), bias: w('ssm_dt') }
  const decay = g.apply(decayGate, named('ssm_decay'), { x: product('ssm_alpha'), ...rates }, {})
  const inputs = { x: mixed, w: w('ssm_conv1d') }
  const turned = g.apply(causalConvolution, named('ssm_conv1d'), inputs, { activation: 'silu' })
  const keys = keyHeads * keyWidth
  const pairs = heads('ssm_qk', part('ssm_qk', turned, 0, 2 * keys), 2 * keyHeads)
  const unit = g.apply(l2Norm, named('ssm_qk_norm'), { x: pairs }, { eps: keyEps })
  const flat = g.apply(reshape, named('ssm_qk_flat'), { x: unit }, { heads: 0 })
  const q = heads('ssm_q', part('ssm_q', flat, 0, keys), keyHeads)
  const k = heads('ssm_k', part('ssm_k', flat, keys, keys), keyHeads)
  const v = heads('ssm_v', part('ssm_v', turned, 2 * keys, valueHeads * valueWidth), valueHeads)
  const attributes = { scale: 1 / Math.sqrt(keyWidth), order }
  const y = g.apply(deltaRule, named('ssm_delta'), { q, k, v, decay, beta }, attributes)
  const gated = g.apply(gatedRmsNorm, named('ssm_norm'), { x: y, gate, gain: w('ssm_norm') }, { eps: c.eps })
  const all = g.apply(reshape, named('ssm_norm_flat'), { x: gated }, { heads: 0 })
  return g.apply(linear, named('ssm_out'), { x: all, w: w('ssm_out') }, {})
}
