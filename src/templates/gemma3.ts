import { rmsNorm } from '../ops/rmsNorm.ts'
import type { ConfigReader } from './configReader.ts'
import { buildDecoder, residualBlock } from './decoder/decoderBlocks.ts'
import { type DecoderConfig, decoderSizes } from './decoder/decoderConfig.ts'
import { decoderToGguf } from './decoder/decoderToGguf.ts'
import { decoderToTransformers, layerTypes } from './decoder/decoderToTransformers.ts'
import { decoderWeights, weightSpec } from './decoder/decoderWeights.ts'
import { freshDecoder } from './decoder/freshDecoder.ts'
import { type LayerWindows, typedWindows, windowsFromGguf } from './decoder/layerWindows.ts'
import { freshGemma, gemmaFromGguf, gemmaFromTransformers, shiftedGains } from './gemma.ts'
import { capsOf, queryScalar, sandwichNorms, withQueryScalar, withScaleIn, withUsualScale } from './gemma2.ts'
import { exportedAngles } from './llama.ts'
import { plainRope } from './rope/ropeScaling.ts'
import { defineTemplate, type WeightSpec } from './template.ts'

/** What Gemma3TextConfig says of keys that config.json leaves out. */
const defaults = {
  pad_token_id: 0,
  vocab_size: 262208,
  hidden_size: 2304,
  intermediate_size: 9216,
  num_hidden_layers: 26,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  max_position_embeddings: 131072,
  hidden_activation: 'gelu_pytorch_tanh',
  tie_word_embeddings: true,
  query_pre_attn_scalar: 256,
  sliding_window: 4096,
  sliding_window_pattern: 6,
  rope_theta: 1000000,
  rope_local_base_freq: 10000,
}

/** Every sixth layer reads all tokens. */
const period = 6

/** Layers of the release whose scores are scaled by another width than that of a head; GGUF has no word of it. */
const layersOf27B = 62

/** Where the tensors of a folder that has a vision model beside the text model begin, by age of the folder. */
const textNames: readonly { readonly probe: string; readonly rename: (name: string) => string }[] = [
  { probe: 'language_model.model.norm.weight', rename: (name) => `language_model.${name}` },
  {
    probe: 'model.language_model.norm.weight',
    rename: (name) => name.replace(/^model\./, 'model.language_model.'),
  },
]

interface Gemma3Config extends DecoderConfig {
  /** Transformers' name of a tensor, from that in a folder of the text model alone. */
  readonly rename: (name: string) => string
}

/** Gemma 3, text: as Gemma 2 without its caps, norms of q and k, and turns of another base in the layers with a window. */
export const gemma3 = defineTemplate<Gemma3Config>({
  name: 'gemma3',
  gguf: ['gemma3'],
  transformers: ['Gemma3ForCausalLM', 'Gemma3ForConditionalGeneration'],
  tokenizer: 'SentencePiece',
  config: {
    gguf(read) {
      const config = withUsualScale(gemmaFromGguf(read), layersOf27B)
      const windows = windowsFromGguf(read, config.layers, period)
      const softCaps = { attention: 0, logits: read.number('final_logit_softcapping', 0) }
      const theta = read.positive('rope.freq_base_swa', 10000)
      return { ...withLocalRope(config, windows, theta), softCaps, rename: (name) => name }
    },
    transformers(reader) {
      const isWhole = reader.object('text_config')
      const read = (isWhole ? reader.within('text_config') : reader).withDefaults(defaults)
      const { rename } = textNames.find(({ probe }) => reader.shapeOf(probe)) ?? { rename: (name: string) => name }
      const group = read.object('rope_parameters.full_attention') ? 'rope_parameters.full_attention' : 'rope_scaling'
      const habits = { activationKey: 'hidden_activation', group }
      const config = withQueryScalar(read, gemmaFromTransformers(read, habits))
      const windows = typedWindows(read, config.layers, (i) => (i + 1) % read.count('sliding_window_pattern') !== 0)
      const tied = read.flag('tie_word_embeddings', true) && reader.shapeOf(rename('lm_head.weight')) === undefined
      // transformers reads a cap of the scores and does not use it.
      const softCaps = { attention: 0, logits: capsOf(read).logits }
      return { ...withLocalRope(config, windows, localTheta(read)), tied, softCaps, rename }
    },
  },
  weights: (c) =>
    shiftedGains(
      decoderWeights(
        c,
        (ours, theirs) => [
          weightSpec(`${ours}attn_q_norm.weight`, `${theirs}self_attn.q_norm.weight`, c.headDim),
          weightSpec(`${ours}attn_k_norm.weight`, `${theirs}self_attn.k_norm.weight`, c.headDim),
        ],
        sandwichNorms,
      ),
    ).map((spec): WeightSpec => ({ ...spec, transformers: c.rename(spec.transformers) })),
  // Images are not read: a prompt is text.
  ignored: [exportedAngles, /^(model\.)?(vision_tower|multi_modal_projector)\./],
  graph: (g, c, w) =>
    buildDecoder(g, c, w, (at, x) =>
      residualBlock(at, x, 'around', (which, heads) =>
        g.apply(rmsNorm, at.named(`${which}_norm`), { x: heads, gain: at.w(`${which}_norm`) }, { eps: c.eps }),
      ),
    ),
  toGguf(c) {
    const { logits } = c.softCaps
    const metadata = {
      ...(logits > 0 ? { final_logit_softcapping: { type: 'float32', value: logits } as const } : {}),
      'rope.freq_base_swa': { type: 'float32', value: c.ropes[1]!.theta },
    } as const
    const form = decoderToGguf('gemma3', c, false, metadata, { usual: 'gelu_tanh', period })
    return withScaleIn(/\.attn_q_norm\.weight$/, form, c, layersOf27B)
  },
  toTransformers(c, stored) {
    const names = ['Gemma3ForCausalLM', 'gemma3_text'] as const
    const form = decoderToTransformers(
      c,
      stored,
      { names, activationKey: 'hidden_activation' },
      {
        ...layerTypes(c),
        query_pre_attn_scalar: queryScalar(c),
        final_logit_softcapping: c.softCaps.logits || null,
      },
    )
    const ropes = { full_attention: form.config.rope_parameters!, sliding_attention: c.ropes[1]!.parameters }
    return { ...form, config: { ...form.config, rope_parameters: ropes } }
  },
  fresh: {
    usual: { eps: 1e-6, tied: true, ffn: 6, theta: 1e6, window: 512 },
    config(sizes) {
      const config = freshGemma(freshDecoder(sizes, { isWindowed: (layer) => (layer + 1) % period !== 0 }))
      const windows = config.pattern.map(({ window }) => window)
      return { ...withLocalRope(config, windows, 10000), rename: (name) => name }
    },
  },
  sizes: decoderSizes,
})

/** The base of the turns in layers with a window, which are not scaled. */
function localTheta(read: ConfigReader): number {
  const group = 'rope_parameters.sliding_attention'
  if (!read.object(group)) return read.positive('rope_local_base_freq')
  read.only(`${group}.rope_type`, 'default')
  return read.positive(`${group}.rope_theta`, read.positive('rope_local_base_freq'))
}

/** Layers with a window turn by a second rope with its own base, the others by the first. */
function withLocalRope(config: DecoderConfig, windows: LayerWindows, theta: number): DecoderConfig {
  const pattern = windows.map((window) => ({ window, rope: window > 0 ? 1 : 0 }))
  const [global] = config.ropes
  return { ...config, ropes: [global!, plainRope(global!.style, global!.pairs, theta)], pattern }
}
