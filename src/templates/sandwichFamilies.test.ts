import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { withConfig, withMetadata } from '../../tests/parity/changedCheckpoint.ts'
import type { Checkpoint, Json } from '../formats/checkpoint.ts'
import { openCheckpoint } from '../formats/openCheckpoint.ts'
import { quantizeModel } from '../quantize/quantizeModel.ts'
import { readModel } from './readModel.ts'

const goldens = fileURLToPath(new URL('../../tests/parity/goldens/', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'ck-gemma-'))
const opened: Checkpoint[] = []
afterAll(() => {
  for (const checkpoint of opened) checkpoint.close()
  rmSync(dir, { recursive: true })
})

function open(path: string): Checkpoint {
  const checkpoint = openCheckpoint(path)
  opened.push(checkpoint)
  return checkpoint
}

async function written(checkpoint: Checkpoint, name: string): Promise<Checkpoint> {
  const out = join(dir, `${name}.gguf`)
  await quantizeModel(checkpoint, out, { recipe: 'f32', threads: 1 })
  return open(out)
}

const [gemma2, gemma3, glm4, olmo2] = ['gemma2', 'gemma3', 'glm4', 'olmo2'].map((name) => open(goldens + name)) as [
  Checkpoint,
  Checkpoint,
  Checkpoint,
  Checkpoint,
]

const attentions = (checkpoint: Checkpoint) =>
  readModel(checkpoint).graph.nodes.flatMap(({ op, attributes }) => (op === 'attention' ? [attributes] : []))
const windows = (checkpoint: Checkpoint) => attentions(checkpoint).map(({ window = 0 }) => window)
const turns = (checkpoint: Checkpoint) =>
  readModel(checkpoint).graph.nodes.flatMap(({ op, attributes }) => (op === 'ropeTable' ? [attributes] : []))

describe('what config.json leaves out', () => {
  it('is what Gemma2Config says', () => {
    const keys = [
      'layer_types',
      'sliding_window',
      'attn_logit_softcapping',
      'final_logit_softcapping',
      'hidden_activation',
    ]
    const silent = withConfig(gemma2, Object.fromEntries(keys.map((key) => [key, undefined])))
    expect(windows(silent)).toEqual([4096, 0])
    expect(attentions(silent).map(({ softCap }) => softCap)).toEqual([50, 50])
    const { nodes } = readModel(silent).graph
    expect(nodes.find(({ op }) => op === 'softCap')?.attributes).toEqual({ cap: 30 })
    expect(nodes.find(({ op }) => op === 'gelu')?.attributes).toEqual({ kind: 'tanh' })
  })

  it('is what Gemma3TextConfig says', () => {
    const silent = withConfig(gemma3, { layer_types: undefined, rope_parameters: undefined, sliding_window: undefined })
    expect(windows(silent)).toEqual([4096, 4096, 4096])
    expect(windows(withConfig(silent, { sliding_window_pattern: 2 }))).toEqual([4096, 0, 4096])
    expect(turns(silent).map(({ theta }) => theta)).toEqual([1e6, 1e4])
  })

  it('is what Glm4Config says', () => {
    const silent = withConfig(glm4, { partial_rotary_factor: undefined, rope_parameters: undefined })
    expect(turns(silent)).toEqual([{ pairs: 3, theta: 10000, scale: 1 }])
  })
})

describe('a GGUF file', () => {
  it('has the pattern of windows as a period, as a list, or not at all where it is the usual one', async () => {
    const key = 'gemma3.attention.sliding_window_pattern'
    const patternOf = async (layers: readonly string[]) => {
      const file = await written(
        withConfig(gemma3, { layer_types: layers.map((kind) => `${kind}_attention`) }),
        layers.join('-'),
      )
      expect(windows(file)).toEqual(layers.map((kind) => (kind === 'full' ? 0 : 6)))
      return file.description.format === 'gguf' ? file.description.metadata.get(key) : undefined
    }
    expect(await patternOf(['sliding', 'sliding', 'full'])).toBe(3)
    expect(await patternOf(['full', 'sliding', 'sliding'])).toEqual([false, true, true])
    expect(await patternOf(['sliding', 'sliding', 'sliding'])).toBeUndefined()
    expect(await patternOf(['full', 'full', 'full'])).toBeUndefined()
  })

  it('without caps says caps that bend nothing', async () => {
    const file = await written(
      withConfig(gemma2, { attn_logit_softcapping: null, final_logit_softcapping: null }),
      'uncapped',
    )
    expect(attentions(file).map(({ softCap }) => softCap)).toEqual([undefined, undefined])
    expect(readModel(file).graph.nodes.some(({ op }) => op === 'softCap')).toBe(false)
  })

  it('that is silent means the caps and the window of the published models', async () => {
    const file = await written(gemma2, 'silent')
    const keys = ['attn_logit_softcapping', 'final_logit_softcapping', 'attention.sliding_window']
    const silent = withMetadata(file, Object.fromEntries(keys.map((key) => [`gemma2.${key}`, undefined])))
    expect(attentions(silent).map(({ softCap, window = 0 }) => [softCap, window])).toEqual([
      [50, 4096],
      [50, 0],
    ])
  })
})

describe('config.json is refused with', () => {
  const cases: readonly [string, Checkpoint, { readonly [key: string]: Json }, string][] = [
    ['a cap of 0', gemma2, { attn_logit_softcapping: 0 }, "'attn_logit_softcapping' is 0; accepted: a number above 0"],
    ['windows of no size', gemma2, { sliding_window: null }, "'sliding_window' is missing"],
    ['another kind of layer', gemma2, { layer_types: ['full_attention', 'chunked_attention'] }, "'layer_types'"],
    ['too few kinds of layers', gemma3, { layer_types: ['full_attention'] }, 'a list of 3'],
    ['attention in both directions', gemma3, { use_bidirectional_attention: true }, "'use_bidirectional_attention'"],
    ['an unknown activation', gemma3, { hidden_activation: 'mish' }, '\'hidden_activation\' is "mish"'],
    ['no scale of queries', gemma3, { query_pre_attn_scalar: 0 }, "'query_pre_attn_scalar' is 0"],
    [
      'a scaling where there are windows',
      gemma3,
      { rope_parameters: { sliding_attention: { rope_type: 'linear', factor: 2 } } },
      '\'rope_parameters.sliding_attention.rope_type\' is "linear"; accepted: default',
    ],
    ['a text model that is none', gemma3, { text_config: 3 }, "'text_config' is 3; accepted: an object"],
    ['a key of the text model that is none', gemma3, { text_config: { head_dim: 0.5 } }, "'text_config.head_dim'"],
    ['a head that cannot turn', glm4, { rope_parameters: { partial_rotary_factor: 2 } }, "'partial_rotary_factor'"],
    ['kv heads that do not divide the heads', olmo2, { num_key_value_heads: 4 }, "'num_key_value_heads' is 4"],
  ]

  it.each(cases)('%s', (_, base, config, says) => {
    expect(() => readModel(withConfig(base, config))).toThrow(says)
  })
})
