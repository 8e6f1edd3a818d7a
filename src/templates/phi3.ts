import { buildDecoder, preNormBlock } from './decoder/decoderBlocks.ts'
import {
  type DecoderConfig,
  decoderFromGguf,
  decoderFromTransformers,
  decoderSizes,
  type Fused,
  windowPattern,
} from './decoder/decoderConfig.ts'
import { decoderToGguf } from './decoder/decoderToGguf.ts'
import { decoderToTransformers, everyWindow } from './decoder/decoderToTransformers.ts'
import { decoderWeights } from './decoder/decoderWeights.ts'
import { freshDecoder } from './decoder/freshDecoder.ts'
import { everyLayerWindow } from './decoder/layerWindows.ts'
import { exportedAngles } from './llama.ts'
import { defineTemplate } from './template.ts'

/** What Phi3Config says of keys that config.json leaves out. */
const defaults = {
  pad_token_id: 32000,
  max_position_embeddings: 4096,
  original_max_position_embeddings: 4096,
  rms_norm_eps: 1e-5,
}

/** What of a transformers folder lies in one tensor. */
const fused: readonly Fused[] = ['attn_qkv', 'ffn_up']

/** Its first releases called longrope `su` or `yarn`. */
const kinds = { default: 'default', longrope: 'longrope', su: 'longrope', yarn: 'longrope' } as const

/** Longrope's length stands beside its object as well: the configuration class has its own value for that key. */
function originalContext({ ropes, context }: DecoderConfig): { readonly original_max_position_embeddings: number } {
  return { original_max_position_embeddings: ropes[0]!.short ?? context }
}

/** Phi-3, 3.5 and 4 mini: q, k and v in one tensor, the gate and what it gates in another; turns of a part of the head. */
export const phi3 = defineTemplate({
  name: 'phi3',
  gguf: ['phi3'],
  transformers: ['Phi3ForCausalLM'],
  tokenizer: 'SentencePiece, later byte-level BPE',
  config: {
    gguf(read) {
      const isSeparate = read.shapeOf('blk.0.attn_q.weight') !== undefined
      return { ...decoderFromGguf(read, 'split'), fused: isSeparate ? fused.slice(1) : fused }
    },
    transformers(reader) {
      const read = reader.withDefaults(defaults)
      const config = decoderFromTransformers(read, { kinds, isPartial: true })
      const pattern = windowPattern(everyLayerWindow(read, config.layers))
      return { ...config, biases: [], fused, pattern }
    },
  },
  weights: (c) => decoderWeights(c),
  ignored: [exportedAngles],
  graph: (g, c, w) => buildDecoder(g, c, w, (at, x) => preNormBlock(at, x)),
  toGguf: (c) => decoderToGguf('phi3', c, false),
  toTransformers: (c, stored) =>
    decoderToTransformers(
      c,
      stored,
      { names: ['Phi3ForCausalLM', 'phi3'] },
      {
        ...everyWindow(c),
        ...originalContext(c),
      },
    ),
  fresh: {
    usual: { eps: 1e-5, tied: false, ffn: 8 / 3, theta: 10000, window: 0 },
    config: (sizes) => ({ ...freshDecoder(sizes), fused }),
  },
  sizes: decoderSizes,
})
