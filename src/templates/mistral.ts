import { decoderFromTransformers, windowPattern } from './decoder/decoderConfig.ts'
import { freshDecoder } from './decoder/freshDecoder.ts'
import { everyLayerWindow } from './decoder/layerWindows.ts'
import { llama, mistralToTransformers } from './llama.ts'
import { defineTemplate } from './template.ts'

/** What MistralConfig says of keys that config.json leaves out. */
const defaults = { num_key_value_heads: 8, max_position_embeddings: 131072, sliding_window: 4096 }

/** Mistral: Llama with a window in every layer. In GGUF it is a `llama`. */
export const mistral = defineTemplate({
  ...llama,
  name: 'mistral',
  transformers: ['MistralForCausalLM'],
  tokenizer: 'SentencePiece, later byte-level BPE',
  config: {
    gguf: llama.config.gguf,
    transformers(reader) {
      const read = reader.withDefaults(defaults)
      const config = decoderFromTransformers(read)
      return { ...config, biases: [], pattern: windowPattern(everyLayerWindow(read, config.layers)) }
    },
  },
  fresh: {
    usual: { eps: 1e-5, tied: false, ffn: 3.5, theta: 1e6, window: 0 },
    config: (sizes) => freshDecoder(sizes),
  },
  toTransformers: mistralToTransformers,
})
