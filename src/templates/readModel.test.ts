import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { changed, withConfig, withMetadata, withTensors } from '../../tests/parity/changedCheckpoint.ts'
import { decodeTensor } from '../base/dtypes.ts'
import { CkError } from '../base/errors.ts'
import type { Checkpoint, Json, MetadataValue } from '../formats/checkpoint.ts'
import { openCheckpoint } from '../formats/openCheckpoint.ts'
import { verifyGraph } from '../ir/verify.ts'
import { ops } from '../ops/registry.ts'
import { type Model, readModel } from './readModel.ts'

const goldens = fileURLToPath(new URL('../../tests/parity/goldens/', import.meta.url))
const opened: Checkpoint[] = []

function open(name: string): Checkpoint {
  const checkpoint = openCheckpoint(goldens + name)
  opened.push(checkpoint)
  return checkpoint
}

afterAll(() => {
  for (const checkpoint of opened) checkpoint.close()
})

const attributesOf = (model: Model, op: string) => model.graph.nodes.find((node) => node.op === op)!.attributes
const factorsOf = (model: Model) => {
  const source = model.sources.get('rope_freqs.weight')
  return source?.from === 'config' ? source.values : undefined
}

const llama = open('llama')
const llama3 = open('llama-tied-llama3')
const gguf = open('gguf-llama-f32/model.gguf')
const ggufLlama3 = open('gguf-llama-llama3-f32/model.gguf')

describe('readModel', () => {
  it.each([
    ...[
      'llama',
      'llama-tied-llama3',
      'llama-tied-llama3-v4',
      'llama-linear-sharded',
      'llama-linear-v4',
      'llama2-minimal',
    ],
    ...['qwen3', 'qwen3-tied', 'gguf-llama-q4_0/model.gguf', 'gguf-qwen3-bf16/model.gguf'],
  ])('builds a sound graph of %s', (name) => {
    const { graph, sources } = readModel(open(name))
    verifyGraph(graph, ops)
    expect(graph.outputs).toEqual(['logits'])
    expect(graph.weights.map(({ name: weight }) => weight).toSorted()).toEqual([...sources.keys()].toSorted())
  })

  it('takes pairwise turns from GGUF of llama, and split ones elsewhere', () => {
    expect(attributesOf(readModel(gguf), 'rope').style).toBe('pairwise')
    expect(attributesOf(readModel(llama), 'rope').style).toBe('split')
    expect(attributesOf(readModel(open('gguf-qwen3-f32/model.gguf')), 'rope').style).toBe('split')
  })

  it('reads rope of old and new config.json alike', () => {
    const [old, recent] = [readModel(open('llama-tied-llama3-v4')), readModel(llama3)]
    expect(attributesOf(old, 'ropeTable')).toEqual(attributesOf(recent, 'ropeTable'))
    expect(factorsOf(old)).toEqual(factorsOf(recent))
    expect(attributesOf(readModel(open('llama-linear-v4')), 'ropeTable').scale).toBe(
      attributesOf(readModel(open('llama-linear-sharded')), 'ropeTable').scale,
    )
    expect(attributesOf(readModel(open('llama2-minimal')), 'ropeTable').theta).toBe(10000)
  })

  it('computes the factors of llama3 that the converter stored', () => {
    const record = ggufLlama3.tensors.get('rope_freqs.weight')!
    const stored = decodeTensor('f32', ggufLlama3.read(record), record.shape[0]!)
    const rope = {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 128,
      rope_theta: 1000,
    }
    const computed = factorsOf(readModel(withConfig(llama3, { rope_parameters: rope })))!
    expect(computed.map(Math.fround)).toEqual([...stored])
  })

  it('ties the head where the checkpoint has none', () => {
    const headOf = (model: Model) => model.graph.nodes.at(-1)!.inputs.w
    expect(headOf(readModel(llama))).toBe('output.weight')
    expect(headOf(readModel(llama3))).toBe('token_embd.weight')
    expect(headOf(readModel(ggufLlama3))).toBe('token_embd.weight')
  })

  it('computes vectors in f32 and matrices in their own format', () => {
    const { graph } = readModel(open('llama-linear-v4'))
    for (const { type } of graph.weights) expect(type.dtype).toBe(type.shape.length === 1 ? 'f32' : 'f16')
  })

  it('ignores the frequencies that exporters add', () => {
    const name = 'model.layers.0.self_attn.rotary_emb.inv_freq'
    const record = { ...llama.tensors.get('model.norm.weight')!, name }
    expect(() => readModel(withTensors(llama, (tensors) => tensors.set(name, record)))).not.toThrow()
  })
})

/** The refusal of a checkpoint; fails where there is none, or an error that is no refusal. */
function refusal(checkpoint: Checkpoint): string {
  try {
    readModel(checkpoint)
  } catch (error) {
    if (error instanceof CkError) return `${error.code} ${error.message}`
    throw error
  }
  throw new Error('was not refused')
}

describe('readModel refuses', () => {
  it('an unknown architecture', () => {
    expect(refusal(changed(llama, { architecture: 'ReformerModelWithLMHead' }))).toMatch(
      /architecture 'ReformerModelWithLMHead' has no template; accepted: .*LlamaForCausalLM, .*Qwen3ForCausalLM/,
    )
    expect(refusal(changed(gguf, { architecture: 'mamba' }))).toMatch(
      /'mamba' has no template; accepted: .*llama, .*qwen3/,
    )
  })

  it('a tensor that is missing, unread or of another shape', () => {
    const missing = withTensors(llama, (tensors) => tensors.delete('model.layers.1.mlp.up_proj.weight'))
    expect(refusal(missing)).toContain('tensor_missing')
    expect(refusal(missing)).toContain(
      "'model.layers.1.mlp.up_proj.weight' is missing; this family needs it with shape [76, 42]",
    )
    const bias = { ...gguf.tensors.get('output_norm.weight')!, name: 'blk.0.attn_q.scale' }
    expect(refusal(withTensors(gguf, (tensors) => tensors.set(bias.name, bias)))).toContain(
      "'blk.0.attn_q.scale' is not read by template 'llama'",
    )
    const turned = { ...gguf.tensors.get('blk.0.attn_k.weight')!, shape: [42, 20] }
    expect(refusal(withTensors(gguf, (tensors) => tensors.set(turned.name, turned)))).toContain(
      "'blk.0.attn_k.weight' has shape [42, 20]; accepted: [20, 42]",
    )
  })

  it.each<[string, { readonly [key: string]: Json | undefined }, string]>([
    [
      'kv heads that do not divide the heads',
      { num_key_value_heads: 4 },
      "'num_key_value_heads' is 4; accepted: a divisor of the 6 attention heads",
    ],
    ['no heads', { num_attention_heads: 0 }, "'num_attention_heads' is 0; accepted: a whole number of at least 1"],
    [
      'a missing number',
      { hidden_size: undefined },
      "'hidden_size' is missing; accepted: a whole number of at least 1",
    ],
    [
      'a boolean where a number belongs',
      { num_hidden_layers: true },
      "'num_hidden_layers' is true; accepted: a whole number from 1 to 21",
    ],
    ['a fraction', { vocab_size: 131.5 }, "'vocab_size' is 131.5"],
    ['a text', { intermediate_size: '76' }, '\'intermediate_size\' is "76"'],
    ['a list', { hidden_size: [42] }, "'hidden_size' is an array"],
    ['an object', { hidden_size: {} }, "'hidden_size' is an object"],
    [
      'a number where a boolean belongs',
      { tie_word_embeddings: 1 },
      "'tie_word_embeddings' is 1; accepted: true or false",
    ],
    ['an eps of 0', { rms_norm_eps: 0 }, "'rms_norm_eps' is 0; accepted: a number above 0"],
    ['more layers than tensors', { num_hidden_layers: 2 ** 50 }, 'accepted: a whole number from 1 to 21'],
    [
      'heads wider than any model has',
      { head_dim: 2 ** 40 },
      "'head_dim' is 1099511627776; accepted: a whole number from 1 to 65536",
    ],
    ['heads of an odd width', { head_dim: 9 }, "'head_dim' is 9; accepted: an even number"],
    ['another activation', { hidden_act: 'mish' }, '\'hidden_act\' is "mish"; accepted: silu, swish, '],
    ['biases that are no flag', { attention_bias: 1 }, "'attention_bias' is 1; accepted: true or false"],
    [
      'a rope type that is not supported',
      { rope_parameters: { rope_type: 'proportional', factor: 2 } },
      '\'rope_parameters.rope_type\' is "proportional"; accepted: default, linear, dynamic, llama3, yarn, longrope',
    ],
    [
      'one in the old place',
      { rope_parameters: undefined, rope_scaling: { type: 'mrope', factor: 2 } },
      '\'rope_scaling.type\' is "mrope"',
    ],
    [
      'rope parameters that are no object',
      { rope_parameters: undefined, rope_scaling: 'linear' },
      '\'rope_scaling\' is "linear"; accepted: an object',
    ],
    ['a list of them', { rope_parameters: [1] }, "'rope_parameters' is an array; accepted: an object"],
    [
      'linear scaling without a factor',
      { rope_parameters: { rope_type: 'linear' } },
      "'rope_parameters.factor' is missing; accepted: a number above 0",
    ],
    [
      'bands of llama3 that cross',
      {
        rope_parameters: {
          rope_type: 'llama3',
          factor: 8,
          low_freq_factor: 4,
          high_freq_factor: 4,
          original_max_position_embeddings: 128,
        },
      },
      "'rope_parameters.high_freq_factor' is 4; accepted: a number above low_freq_factor, which is 4",
    ],
    ['a turn of a part of the head', { partial_rotary_factor: 0.5 }, "'partial_rotary_factor' is 0.5; accepted: 1"],
    [
      'lists of longrope that are too short',
      { rope_parameters: { rope_type: 'longrope', long_factor: [1, 2], short_factor: [1, 2] } },
      "'rope_parameters.long_factor' is an array; accepted: a list of 5 numbers above 0",
    ],
    [
      'linear scaling by next to nothing',
      { rope_parameters: { rope_type: 'linear', factor: 1e-320 } },
      '\'rope_parameters.rope_type\' is "linear"; accepted: a base, a factor and lengths of context that give finite turns',
    ],
    [
      'yarn without a factor',
      { rope_parameters: { rope_type: 'yarn', factor: 0, original_max_position_embeddings: 64 } },
      "'rope_parameters.factor' is 0; accepted: a number above 0",
    ],
  ])('config.json with %s', (_what, config, says) => {
    expect(refusal(withConfig(llama, config))).toContain(`config_invalid ${llama.path}: `)
    expect(refusal(withConfig(llama, config))).toContain(says)
  })

  it.each<[string, { readonly [key: string]: MetadataValue | undefined }, string]>([
    [
      'kv heads that do not divide the heads',
      { 'llama.attention.head_count_kv': 4 },
      "'llama.attention.head_count_kv' is 4; accepted: a divisor of the 6 attention heads",
    ],
    [
      'heads that differ per layer',
      { 'llama.attention.head_count': Int32Array.of(6, 6) },
      "'llama.attention.head_count' is an array",
    ],
    ['a count beyond 2^53', { 'llama.block_count': 2n ** 60n }, "'llama.block_count' is 1152921504606846976"],
    [
      'a NaN',
      { 'llama.attention.layer_norm_rms_epsilon': Number.NaN },
      "'llama.attention.layer_norm_rms_epsilon' is NaN; accepted: a number above 0",
    ],
    [
      'an infinity',
      { 'llama.rope.freq_base': Number.POSITIVE_INFINITY },
      "'llama.rope.freq_base' is Infinity; accepted: a number above 0",
    ],
    [
      'a turn wider than the head',
      { 'llama.rope.dimension_count': 12 },
      "'llama.rope.dimension_count' is 12; accepted: an even number up to 10",
    ],
    [
      'values wider than keys',
      { 'llama.attention.value_length': 12 },
      "'llama.attention.value_length' is 12; accepted: 10",
    ],
    ['experts', { 'llama.expert_count': 8 }, "'llama.expert_count' is 8; accepted: 0"],
    [
      'a rope type that is not supported',
      { 'llama.rope.scaling.type': 'su' },
      '\'llama.rope.scaling.type\' is "su"; accepted: none, linear, yarn, longrope',
    ],
    ['no context', { 'llama.context_length': undefined }, "'llama.context_length' is missing"],
  ])('GGUF with %s', (_what, values, says) => {
    expect(refusal(withMetadata(gguf, values))).toContain(says)
  })

  it('factors of another length than half a head', () => {
    const record = { ...ggufLlama3.tensors.get('rope_freqs.weight')!, shape: [4] }
    expect(refusal(withTensors(ggufLlama3, (tensors) => tensors.set(record.name, record)))).toContain(
      "'rope_freqs.weight' has shape [4]; accepted: [5]",
    )
  })
})
