import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import type { Checkpoint, Json } from '../formats/checkpoint.ts'
import { openCheckpoint } from '../formats/openCheckpoint.ts'
import { verifyGraph } from '../ir/verify.ts'
import { ops } from '../ops/registry.ts'
import { readModel } from './readModel.ts'

const parity = fileURLToPath(new URL('../../tests/parity/', import.meta.url))
const opened: Checkpoint[] = []
afterAll(() => {
  for (const checkpoint of opened) checkpoint.close()
})

/** A recorded checkpoint with other values in its config.json, or in 1_Pooling/config.json. */
function changed(
  path: string,
  config: { readonly [key: string]: Json },
  pooling?: { readonly [key: string]: Json },
): Checkpoint {
  const base = openCheckpoint(parity + path)
  opened.push(base)
  if (base.description.format !== 'transformers') throw new Error('not a transformers folder')
  const description = {
    ...base.description,
    config: { ...base.description.config, ...config },
    ...(pooling ? { pooling } : {}),
  }
  return {
    path: base.path,
    description,
    architecture: base.architecture,
    name: base.name,
    tensors: base.tensors,
    read: (...args) => base.read(...args),
    fingerprint: () => base.fingerprint(),
    close: () => {},
  }
}

const graphOf = (checkpoint: Checkpoint) => readModel(checkpoint).graph
const attributesOf = (checkpoint: Checkpoint, op: string) =>
  graphOf(checkpoint).nodes.flatMap((node) => (node.op === op ? [node.attributes] : []))

describe('GPT-2', () => {
  it('scales scores by the width of a head and, where asked for, by the layer', () => {
    const scales = (config: { [key: string]: Json }) =>
      attributesOf(changed('goldens/gpt2', config), 'attention').map(({ scale }) => scale)
    const scale = 1 / Math.sqrt(7)
    expect(scales({})).toEqual([scale, scale])
    expect(scales({ scale_attn_by_inverse_layer_idx: true })).toEqual([scale, scale / 2])
    expect(scales({ scale_attn_weights: false, scale_attn_by_inverse_layer_idx: true })).toEqual([1, 1 / 2])
  })

  it.each([
    [{ activation_function: 'gelu' }, 'gelu', { kind: 'erf' }],
    [{ activation_function: 'gelu_pytorch_tanh' }, 'gelu', { kind: 'tanh' }],
    [{ activation_function: 'relu' }, 'relu', {}],
    [{ activation_function: 'swish' }, 'silu', {}],
  ] as const)('reads %j', (config, op, attributes) => {
    expect(attributesOf(changed('goldens/gpt2', config), op)).toEqual([attributes, attributes])
  })

  it.each([
    [{ activation_function: 'tanh' }, '\'activation_function\' is "tanh"'],
    [{ n_head: 5 }, 'a divisor of n_embd, which is 42'],
    [{ add_cross_attention: true }, "'add_cross_attention' is true"],
    [{ n_inner: 7 }, "tensor 'transformer.h.0.mlp.c_fc.weight' has shape [42, 168]; accepted: [42, 7]"],
    [{ n_positions: 47 }, 'accepted: [47, 42]'],
    [{ tie_word_embeddings: false }, "tensor 'lm_head.weight' is missing"],
  ] as const)('refuses %j', (config, says) => {
    expect(() => readModel(changed('goldens/gpt2', config))).toThrow(says)
  })
})

describe('StarCoder2', () => {
  it('gives every layer its window, and none where the config has none', () => {
    const windows = (config: { [key: string]: Json }) =>
      attributesOf(changed('goldens/starcoder2', config), 'attention').map(({ window }) => window)
    expect(windows({})).toEqual([7, 7])
    expect(windows({ sliding_window: null })).toEqual([undefined, undefined])
  })

  it.each([
    [{ num_key_value_heads: 4 }, 'a divisor of the 6 attention heads'],
    [{ sliding_window: 0 }, "'sliding_window' is 0"],
    [{ use_bias: false }, 'is not read by template'],
    [{ hidden_act: 'mish' }, '\'hidden_act\' is "mish"'],
  ] as const)('refuses %j', (config, says) => {
    expect(() => readModel(changed('goldens/starcoder2', config))).toThrow(says)
  })
})

describe('BERT', () => {
  it('builds a graph that verifies, with attention that is not causal', () => {
    const checkpoint = changed('embeddings/bert', {})
    verifyGraph(graphOf(checkpoint), ops)
    expect(attributesOf(checkpoint, 'attention').map(({ causal }) => causal)).toEqual([false, false])
    expect(readModel(checkpoint).sizes.embedding).toBe(42)
  })

  it.each([
    [{ pooling_mode_cls_token: true, pooling_mode_mean_tokens: false }, 'first'],
    [{ pooling_mode_cls_token: false, pooling_mode_mean_tokens: true }, 'mean'],
    [{ pooling_mode: 'cls' }, 'first'],
    [{ pooling_mode: 'mean' }, 'mean'],
    [{}, 'mean'],
  ] as const)('pools as %j asks', (pooling, kind) => {
    expect(attributesOf(changed('embeddings/bert', {}, pooling), 'poolRows')).toEqual([{ kind }])
  })

  it.each([
    [{ pooling_mode_max_tokens: true }, "'pooling_mode_max_tokens' is true"],
    [{ pooling_mode_mean_sqrt_len_tokens: true }, "'pooling_mode_mean_sqrt_len_tokens' is true"],
    [{ pooling_mode_cls_token: true, pooling_mode_mean_tokens: true }, "'pooling_mode' is"],
    [{ pooling_mode: 'lasttoken' }, '\'pooling_mode\' is "lasttoken"'],
  ] as const)('refuses the pooling %j', (pooling, says) => {
    expect(() => readModel(changed('embeddings/bert', {}, pooling))).toThrow(says)
  })

  it.each([
    [{ position_embedding_type: 'relative_key' }, "'position_embedding_type' is"],
    [{ is_decoder: true }, "'is_decoder' is true"],
    [{ type_vocab_size: 2 }, 'accepted: [2, 42]'],
    [{ num_attention_heads: 4 }, 'a divisor of the width 42'],
  ] as const)('refuses %j', (config, says) => {
    expect(() => readModel(changed('embeddings/bert', config))).toThrow(says)
  })
})
