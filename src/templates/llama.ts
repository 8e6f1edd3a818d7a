import { buildDecoder, preNormBlock } from './decoder/decoderBlocks.ts'
import { type DecoderConfig, decoderFromGguf, decoderFromTransformers, decoderSizes } from './decoder/decoderConfig.ts'
import { decoderToGguf } from './decoder/decoderToGguf.ts'
import { decoderToTransformers, everyWindow } from './decoder/decoderToTransformers.ts'
import { decoderWeights } from './decoder/decoderWeights.ts'
import { freshDecoder } from './decoder/freshDecoder.ts'
import { defineTemplate, type StoredVector, type TransformersForm } from './template.ts'

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
  // A GGUF file of a Mistral is a `llama` with a window.
  toTransformers: (c, stored) =>
    c.pattern.some(({ window }) => window > 0)
      ? mistralToTransformers(c, stored)
      : decoderToTransformers(c, stored, { names: ['LlamaForCausalLM', 'llama'], isPairwise: true }),
  fresh: {
    usual: { eps: 1e-5, tied: true, ffn: 4, theta: 500000 },
    config: (sizes) => freshDecoder(sizes),
  },
  sizes: decoderSizes,
})

/** A Mistral as a transformers folder has it. */
export function mistralToTransformers(c: DecoderConfig, stored: StoredVector): TransformersForm {
  const names = ['MistralForCausalLM', 'mistral'] as const
  return decoderToTransformers(c, stored, { names, isPairwise: true }, everyWindow(c))
}
