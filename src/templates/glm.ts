import { buildDecoder, preNormBlock } from './decoder/decoderBlocks.ts'
import { decoderSizes } from './decoder/decoderConfig.ts'
import { decoderToGguf } from './decoder/decoderToGguf.ts'
import { decoderToTransformers } from './decoder/decoderToTransformers.ts'
import { decoderWeights } from './decoder/decoderWeights.ts'
import { freshGlm, glmFromGguf, glmFromTransformers, glmHabits } from './glm4.ts'
import { exportedAngles } from './llama.ts'
import { defineTemplate } from './template.ts'

/** GLM-4 of 2024: neighbours in the first half of a head turn together. */
export const glm = defineTemplate({
  name: 'glm',
  gguf: ['chatglm'],
  transformers: ['GlmForCausalLM'],
  tokenizer: 'byte-level BPE',
  config: { gguf: glmFromGguf, transformers: glmFromTransformers },
  weights: (c) => decoderWeights(c),
  ignored: [exportedAngles],
  graph: (g, c, w) => buildDecoder(g, c, w, (at, x) => preNormBlock(at, x)),
  toGguf: (c) => decoderToGguf('chatglm', c, false),
  toTransformers: (c, stored) => decoderToTransformers(c, stored, { names: ['GlmForCausalLM', 'glm'] }),
  fresh: {
    usual: glmHabits,
    config: freshGlm,
  },
  sizes: decoderSizes,
})
