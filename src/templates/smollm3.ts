import type { ConfigReader } from './configReader.ts'
import { buildDecoder, preNormBlock } from './decoder/decoderBlocks.ts'
import { type DecoderConfig, decoderFromGguf, decoderFromTransformers, decoderSizes } from './decoder/decoderConfig.ts'
import { decoderToGguf } from './decoder/decoderToGguf.ts'
import { decoderToTransformers, switchedWindows } from './decoder/decoderToTransformers.ts'
import { decoderWeights } from './decoder/decoderWeights.ts'
import { freshDecoder } from './decoder/freshDecoder.ts'
import { typedWindows } from './decoder/layerWindows.ts'
import { exportedAngles } from './llama.ts'
import { defineTemplate } from './template.ts'

/** What SmolLM3Config says of keys that config.json leaves out. */
const defaults = {
  pad_token_id: 128004,
  num_key_value_heads: 4,
  max_position_embeddings: 32768,
  rope_theta: 2000000,
  tie_word_embeddings: true,
  no_rope_layer_interval: 4,
}

/** GGUF has no key for it but ours: true for each layer that turns. Where it is absent, every fourth does not. */
const turningKey = 'rope.layer_pattern'

/** Whether each layer turns, where every so many-th does not. */
function turnsBut(every: number, layers: number): readonly boolean[] {
  return Array.from({ length: layers }, (_, i) => (i + 1) % every !== 0)
}

/** SmolLM3: some layers know no positions. GGUF converters reorder the heads of q and k as Llama's. */
export const smollm3 = defineTemplate({
  name: 'smollm3',
  gguf: ['smollm3'],
  transformers: ['SmolLM3ForCausalLM'],
  tokenizer: 'byte-level BPE',
  config: {
    gguf(read) {
      const config = decoderFromGguf(read, 'pairwise')
      return withTurning(config, read.flags(turningKey, config.layers) ?? turnsBut(4, config.layers))
    },
    transformers(reader) {
      const read = reader.withDefaults(defaults)
      const config = decoderFromTransformers(read)
      return { ...config, pattern: patternOf(read, config.layers) }
    },
  },
  weights: (c) => decoderWeights(c),
  ignored: [exportedAngles],
  graph: (g, c, w) => buildDecoder(g, c, w, (at, x) => preNormBlock(at, x)),
  toGguf(c) {
    const turning = c.pattern.map(({ rope }) => rope !== 'none')
    const isUsual = turning.join() === turnsBut(4, c.layers).join()
    return decoderToGguf(
      'smollm3',
      c,
      true,
      isUsual ? {} : { [turningKey]: { type: 'array', of: 'bool', value: turning } },
    )
  },
  toTransformers: (c, stored) =>
    decoderToTransformers(
      c,
      stored,
      { names: ['SmolLM3ForCausalLM', 'smollm3'], isPairwise: true },
      {
        ...switchedWindows(c),
        no_rope_layers: c.pattern.map(({ rope }) => (rope === 'none' ? 0 : 1)),
      },
    ),
  fresh: {
    usual: { eps: 1e-6, tied: true, ffn: 5.375, theta: 5e6 },
    config: (sizes) => withTurning(freshDecoder(sizes), turnsBut(4, sizes.layers)),
  },
  sizes: decoderSizes,
})

function patternOf(read: ConfigReader, layers: number): DecoderConfig['pattern'] {
  const turning = read.flags('no_rope_layers', layers) ?? turnsBut(read.count('no_rope_layer_interval'), layers)
  const isUsed = read.flag('use_sliding_window', false) && read.has('sliding_window')
  const windows = typedWindows(read, layers, (i) => isUsed && !turning[i])
  return windows.map((window, i) => ({ window, rope: turning[i] ? 0 : 'none' }))
}

function withTurning(config: DecoderConfig, turning: readonly boolean[]): DecoderConfig {
  return { ...config, pattern: config.pattern.map((kind, i) => ({ ...kind, rope: turning[i] ? kind.rope : 'none' })) }
}
