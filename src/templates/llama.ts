import { buildDecoder, preNormBlock } from './decoder/decoderBlocks.ts'
import { decoderFromGguf, decoderFromTransformers, decoderSizes } from './decoder/decoderConfig.ts'
import { decoderToGguf } from './decoder/decoderToGguf.ts'
import { decoderWeights } from './decoder/decoderWeights.ts'
import { defineTemplate } from './template.ts'

/** Tables of angles that exporters write beside the weights. */
export const exportedAngles = /\.rotary_emb\.(inv_freq|cos_cached|sin_cached)$/

/** Llama 2 and 3. GGUF converters reorder the heads of q and k, so that pairs are neighbours there. */
export const llama = defineTemplate({
  name: 'llama',
  gguf: ['llama'],
  transformers: ['LlamaForCausalLM'],
  tokenizer: 'SentencePiece, later byte-level BPE',
  config: {
    gguf: (read) => decoderFromGguf(read, 'pairwise'),
    transformers: (read) => decoderFromTransformers(read),
  },
  weights: (c) => decoderWeights(c),
  ignored: [exportedAngles],
  graph: (g, c, w) => buildDecoder(g, c, w, (at, x) => preNormBlock(at, x)),
  toGguf: (c) => decoderToGguf('llama', c, true),
  sizes: decoderSizes,
})
