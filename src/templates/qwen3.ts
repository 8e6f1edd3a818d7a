import { rmsNorm } from '../ops/rmsNorm.ts'
import { buildDecoder, preNormBlock } from './decoderBlocks.ts'
import { decoderFromGguf, decoderFromTransformers, decoderSizes } from './decoderConfig.ts'
import { decoderToGguf } from './decoderToGguf.ts'
import { decoderWeights, weightSpec } from './decoderWeights.ts'
import { defineTemplate } from './template.ts'

/** Qwen3 dense: each head of q and k is normalised before its turn. */
export const qwen3 = defineTemplate({
  name: 'qwen3',
  gguf: ['qwen3'],
  transformers: ['Qwen3ForCausalLM'],
  config: { gguf: (read) => decoderFromGguf(read, 'split'), transformers: decoderFromTransformers },
  weights: (c) =>
    decoderWeights(c, (ours, theirs) => [
      weightSpec(`${ours}attn_q_norm.weight`, `${theirs}self_attn.q_norm.weight`, c.headDim),
      weightSpec(`${ours}attn_k_norm.weight`, `${theirs}self_attn.k_norm.weight`, c.headDim),
    ]),
  ignored: [/\.rotary_emb\.inv_freq$/],
  graph: (g, c, w) =>
    buildDecoder(g, c, w, (at, x) =>
      preNormBlock(at, x, (which, heads) =>
        g.apply(rmsNorm, at.named(`${which}_norm`), { x: heads, gain: at.w(`${which}_norm`) }, { eps: c.eps }),
      ),
    ),
  toGguf: (c) => decoderToGguf('qwen3', c, false),
  sizes: decoderSizes,
})
