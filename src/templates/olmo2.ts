import { reshape } from '../ops/reshape.ts'
import { rmsNorm } from '../ops/rmsNorm.ts'
import { buildDecoder, residualBlock } from './decoder/decoderBlocks.ts'
import { decoderFromGguf, decoderFromTransformers, decoderSizes } from './decoder/decoderConfig.ts'
import { decoderToGguf } from './decoder/decoderToGguf.ts'
import { decoderToTransformers } from './decoder/decoderToTransformers.ts'
import { decoderWeights, weightSpec } from './decoder/decoderWeights.ts'
import { freshDecoder } from './decoder/freshDecoder.ts'
import { exportedAngles } from './llama.ts'
import { defineTemplate } from './template.ts'

/** What Olmo2Config says of keys that config.json leaves out. */
const defaults = { pad_token_id: 1, rms_norm_eps: 1e-5 }

const norms = { post_attention_norm: 'post_attention_layernorm', post_ffw_norm: 'post_feedforward_layernorm' }

/** OLMo 2: norms behind attention and feed-forward instead of before, and over queries and keys before they are heads. */
export const olmo2 = defineTemplate({
  name: 'olmo2',
  gguf: ['olmo2'],
  transformers: ['Olmo2ForCausalLM'],
  tokenizer: 'byte-level BPE',
  config: {
    gguf: (read) => decoderFromGguf(read, 'split'),
    transformers: (read) => decoderFromTransformers(read.withDefaults(defaults)),
  },
  weights: (c) =>
    decoderWeights(
      c,
      (ours, theirs) => [
        weightSpec(`${ours}attn_q_norm.weight`, `${theirs}self_attn.q_norm.weight`, c.heads * c.headDim),
        weightSpec(`${ours}attn_k_norm.weight`, `${theirs}self_attn.k_norm.weight`, c.kvHeads * c.headDim),
      ],
      norms,
    ),
  ignored: [exportedAngles],
  graph: (g, c, w) =>
    buildDecoder(g, c, w, (at, x) =>
      residualBlock(at, x, 'behind', (which, heads) => {
        const flat = g.apply(reshape, at.named(`${which}_flat`), { x: heads }, { heads: 0 })
        const normed = g.apply(
          rmsNorm,
          at.named(`${which}_norm`),
          { x: flat, gain: at.w(`${which}_norm`) },
          { eps: c.eps },
        )
        const count = which === 'attn_q' ? c.heads : c.kvHeads
        return g.apply(reshape, at.named(`${which}_normed`), { x: normed }, { heads: count })
      }),
    ),
  toGguf: (c) => decoderToGguf('olmo2', c, false),
  toTransformers: (c, stored) => decoderToTransformers(c, stored, { names: ['Olmo2ForCausalLM', 'olmo2'] }),
  fresh: {
    usual: { eps: 1e-6, tied: false, ffn: 4, theta: 500000 },
    config: (sizes) => freshDecoder(sizes),
  },
  sizes: decoderSizes,
})
