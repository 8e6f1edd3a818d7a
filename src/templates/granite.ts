import { buildDecoder, preNormBlock } from './decoder/decoderBlocks.ts'
import { type DecoderConfig, decoderFromGguf, decoderFromTransformers, decoderSizes } from './decoder/decoderConfig.ts'
import { decoderToGguf } from './decoder/decoderToGguf.ts'
import { decoderToTransformers } from './decoder/decoderToTransformers.ts'
import { decoderWeights } from './decoder/decoderWeights.ts'
import { freshDecoder } from './decoder/freshDecoder.ts'
import { exportedAngles } from './llama.ts'
import { defineTemplate } from './template.ts'

/** Granite 3: Llama with multipliers. GGUF converters reorder the heads of q and k as Llama's. */
export const granite = defineTemplate({
  name: 'granite',
  gguf: ['granite'],
  transformers: ['GraniteForCausalLM'],
  tokenizer: 'byte-level BPE',
  config: {
    gguf(read) {
      const config = decoderFromGguf(read, 'pairwise')
      const scales = {
        embedding: read.positive('embedding_scale', 1),
        attention: read.positive('attention.scale', config.scales.attention),
        residual: read.positive('residual_scale', 1),
        logits: 1 / read.positive('logit_scale', 1),
      }
      // Converters of models that know no positions say so by this key.
      const pattern = read.flag('rope.scaling.finetuned', true) ? config.pattern : withoutTurns(config.pattern)
      return { ...config, scales, pattern }
    },
    transformers(read) {
      const scales = {
        embedding: read.positive('embedding_multiplier', 1),
        attention: read.positive('attention_multiplier', 1),
        residual: read.positive('residual_multiplier', 1),
        logits: 1 / read.positive('logits_scaling', 1),
      }
      return { ...decoderFromTransformers(read), scales }
    },
  },
  weights: (c) => decoderWeights(c),
  ignored: [exportedAngles],
  graph: (g, c, w) => buildDecoder(g, c, w, (at, x) => preNormBlock(at, x)),
  toGguf: (c) =>
    decoderToGguf('granite', c, true, {
      embedding_scale: { type: 'float32', value: c.scales.embedding },
      'attention.scale': { type: 'float32', value: c.scales.attention },
      residual_scale: { type: 'float32', value: c.scales.residual },
      logit_scale: { type: 'float32', value: 1 / c.scales.logits },
    }),
  toTransformers: (c, stored) =>
    decoderToTransformers(
      c,
      stored,
      { names: ['GraniteForCausalLM', 'granite'], isPairwise: true },
      {
        embedding_multiplier: c.scales.embedding,
        attention_multiplier: c.scales.attention,
        residual_multiplier: c.scales.residual,
        logits_scaling: 1 / c.scales.logits,
      },
    ),
  fresh: {
    usual: { eps: 1e-5, tied: true, ffn: 4, theta: 10000 },
    // The multipliers of the published releases; that of the scores is one by the width of a head there.
    config: (sizes) => ({
      ...freshDecoder(sizes),
      scales: { embedding: 12, attention: 1 / sizes.headDim, residual: 0.22, logits: 1 / 8 },
    }),
  },
  sizes: decoderSizes,
})

function withoutTurns(pattern: DecoderConfig['pattern']): DecoderConfig['pattern'] {
  return pattern.map(({ window }) => ({ window, rope: 'none' }))
}
