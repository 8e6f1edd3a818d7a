import { rmsNorm } from '../ops/rmsNorm.ts'
import { buildDecoder, preNormBlock } from './decoder/decoderBlocks.ts'
import { decoderFromGguf, decoderFromTransformers, decoderSizes, windowPattern } from './decoder/decoderConfig.ts'
import { decoderToGguf } from './decoder/decoderToGguf.ts'
import { decoderToTransformers, switchedWindows } from './decoder/decoderToTransformers.ts'
import { decoderWeights, weightSpec } from './decoder/decoderWeights.ts'
import { freshDecoder } from './decoder/freshDecoder.ts'
import { qwenWindows } from './decoder/layerWindows.ts'
import { exportedAngles } from './llama.ts'
import { defineTemplate } from './template.ts'

/** What Qwen3Config says of keys that config.json leaves out. */
const defaults = { num_key_value_heads: 32, head_dim: 128, max_position_embeddings: 32768, sliding_window: 4096 }

/** Qwen3 dense: each head of q and k is normalised before its turn. */
export const qwen3 = defineTemplate({
  name: 'qwen3',
  gguf: ['qwen3'],
  transformers: ['Qwen3ForCausalLM'],
  tokenizer: 'byte-level BPE',
  config: {
    gguf: (read) => decoderFromGguf(read, 'split'),
    transformers(reader) {
      const read = reader.withDefaults(defaults)
      const config = decoderFromTransformers(read)
      return { ...config, pattern: windowPattern(qwenWindows(read, config.layers)) }
    },
  },
  weights: (c) =>
    decoderWeights(c, (ours, theirs) => [
      weightSpec(`${ours}attn_q_norm.weight`, `${theirs}self_attn.q_norm.weight`, c.headDim),
      weightSpec(`${ours}attn_k_norm.weight`, `${theirs}self_attn.k_norm.weight`, c.headDim),
    ]),
  ignored: [exportedAngles],
  graph: (g, c, w) =>
    buildDecoder(g, c, w, (at, x) =>
      preNormBlock(at, x, (which, heads) =>
        g.apply(rmsNorm, at.named(`${which}_norm`), { x: heads, gain: at.w(`${which}_norm`) }, { eps: c.eps }),
      ),
    ),
  toGguf: (c) => decoderToGguf('qwen3', c, false),
  toTransformers: (c, stored) =>
    decoderToTransformers(c, stored, { names: ['Qwen3ForCausalLM', 'qwen3'] }, switchedWindows(c)),
  fresh: {
    usual: { eps: 1e-6, tied: true, ffn: 3, theta: 1e6 },
    config: (sizes) => freshDecoder(sizes),
  },
  sizes: decoderSizes,
})
