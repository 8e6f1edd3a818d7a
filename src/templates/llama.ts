import { buildDecoder, preNormBlock } from './decoderBlocks.ts'
import { decoderFromGguf, decoderFromTransformers, decoderSizes } from './decoderConfig.ts'
import { decoderToGguf } from './decoderToGguf.ts'
import { decoderWeights } from './decoderWeights.ts'
import { defineTemplate } from './template.ts'

/** Llama 2 and 3. GGUF converters reorder the heads of q and k, so that pairs are neighbours there. */
export const llama = defineTemplate({
  name: 'llama',
  gguf: ['llama'],
  transformers: ['LlamaForCausalLM'],
  config: { gguf: (read) => decoderFromGguf(read, 'pairwise'), transformers: decoderFromTransformers },
  weights: (c) => decoderWeights(c),
  ignored: [/\.rotary_emb\.inv_freq$/],
  graph: (g, c, w) => buildDecoder(g, c, w, (at, x) => preNormBlock(at, x)),
  toGguf: (c) => decoderToGguf('llama', c, true),
  sizes: decoderSizes,
})
