import { buildDecoder, preNormBlock } from './decoder/decoderBlocks.ts'
import {
  decoderFromGguf,
  decoderFromTransformers,
  decoderSizes,
  inputBiases,
  windowPattern,
} from './decoder/decoderConfig.ts'
import { decoderToGguf } from './decoder/decoderToGguf.ts'
import { decoderToTransformers, switchedWindows } from './decoder/decoderToTransformers.ts'
import { decoderWeights } from './decoder/decoderWeights.ts'
import { freshDecoder } from './decoder/freshDecoder.ts'
import { qwenWindows } from './decoder/layerWindows.ts'
import { exportedAngles } from './llama.ts'
import { defineTemplate } from './template.ts'

/** What Qwen2Config says of keys that config.json leaves out. */
const defaults = { num_key_value_heads: 32, max_position_embeddings: 32768, sliding_window: 4096 }

/** Qwen2 and 2.5: q, k and v have biases. */
export const qwen2 = defineTemplate({
  name: 'qwen2',
  gguf: ['qwen2'],
  transformers: ['Qwen2ForCausalLM'],
  tokenizer: 'byte-level BPE',
  config: {
    gguf: (read) => decoderFromGguf(read, 'split'),
    transformers(reader) {
      const read = reader.withDefaults(defaults)
      const config = decoderFromTransformers(read)
      return { ...config, biases: inputBiases, pattern: windowPattern(qwenWindows(read, config.layers)) }
    },
  },
  weights: (c) => decoderWeights(c),
  ignored: [exportedAngles],
  graph: (g, c, w) => buildDecoder(g, c, w, (at, x) => preNormBlock(at, x)),
  toGguf: (c) => decoderToGguf('qwen2', c, false),
  toTransformers: (c, stored) =>
    decoderToTransformers(c, stored, { names: ['Qwen2ForCausalLM', 'qwen2'] }, switchedWindows(c)),
  fresh: {
    usual: { eps: 1e-6, tied: true, ffn: 5.5, theta: 1e6 },
    config: (sizes) => ({ ...freshDecoder(sizes), biases: inputBiases }),
  },
  sizes: decoderSizes,
})
