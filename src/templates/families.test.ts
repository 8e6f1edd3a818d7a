import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { withConfig, withMetadata } from '../../tests/parity/changedCheckpoint.ts'
import { fittingContext } from '../cli/fittingContext.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { openCheckpoint } from '../formats/openCheckpoint.ts'
import type { Node } from '../ir/graph.ts'
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

const nodesOf = ({ graph }: Model, op: string): readonly Node[] => graph.nodes.filter((node) => node.op === op)
const windowsOf = (model: Model) => nodesOf(model, 'attention').map(({ attributes }) => attributes.window ?? 0)
const factorsOf = (model: Model) => nodesOf(model, 'ropeTable')[0]!.inputs.factors

describe('longrope', () => {
  const phi3 = open('phi3-longrope')

  it('turns by the short factors in a context of the original length, and by the long ones in a longer one', () => {
    expect(factorsOf(readModel(phi3, 16))).toBe('rope_factors_short.weight')
    expect(factorsOf(readModel(phi3, 17))).toBe('rope_factors_long.weight')
    expect(factorsOf(readModel(phi3))).toBe('rope_factors_long.weight')
  })

  it('has few tokens evaluated in a short context, as transformers does', async () => {
    const path = `${goldens}phi3-longrope`
    expect(await fittingContext(path, 16)).toBe(16)
    expect(await fittingContext(path, 17)).toBeUndefined()
    expect(await fittingContext(`${goldens}phi3`, 16)).toBeUndefined()
  })
})

describe('yarn', () => {
  it('makes a model fit for as many tokens as its factor says', () => {
    expect(readModel(open('qwen2-yarn')).sizes.context).toBe(256)
  })

  it('takes the factor from the lengths where it is null', () => {
    const rope = { rope_type: 'yarn', rope_theta: 1000, factor: null, original_max_position_embeddings: 64 }
    const model = readModel(withConfig(open('qwen2-yarn'), { rope_parameters: rope }))
    expect(nodesOf(model, 'ropeTable')[0]!.attributes.magnitude).toBeCloseTo(0.1 * Math.log(2) + 1, 14)
  })
})

it('dynamic scaling changes nothing within the context that the checkpoint was made for', () => {
  const dynamic = open('llama-dynamic')
  const plain = withConfig(dynamic, { rope_parameters: { rope_type: 'default', rope_theta: 10000 } })
  expect(readModel(dynamic).graph).toEqual(readModel(plain).graph)
})

it('prefers rope_scaling to rope_parameters, and a key outside of them to the one inside', () => {
  const rope = {
    ...{ rope_type: 'yarn', factor: 2, original_max_position_embeddings: 64 },
    ...{ beta_fast: 8, beta_slow: 0.5 },
  }
  const llama = open('llama')
  const asked = readModel(withConfig(llama, { rope_scaling: rope, original_max_position_embeddings: 100 }))
  const meant = { ...rope, rope_theta: 10000, original_max_position_embeddings: 100 }
  expect(asked).toEqual(readModel(withConfig(llama, { rope_parameters: meant })))
})

describe('windows', () => {
  it('are those of the class where a key is absent, and none where it is null', () => {
    const mistral = open('mistral')
    expect(windowsOf(readModel(mistral))).toEqual([7, 7])
    expect(windowsOf(readModel(withConfig(mistral, { sliding_window: undefined })))).toEqual([4096, 4096])
    expect(windowsOf(readModel(withConfig(mistral, { sliding_window: null })))).toEqual([0, 0])
  })

  it('begin at a layer, or follow the types of layers', () => {
    expect(windowsOf(readModel(open('qwen2-window')))).toEqual([0, 5])
    expect(windowsOf(readModel(open('qwen2-types')))).toEqual([6, 0])
    expect(windowsOf(readModel(withConfig(open('qwen2-window'), { use_sliding_window: false })))).toEqual([0, 0])
  })

  it('are refused where the layers have types and the windows are switched off', () => {
    const types = withConfig(open('qwen2-types'), { use_sliding_window: false })
    expect(() => readModel(types)).toThrow("'use_sliding_window' is false; accepted: true, where 'layer_types'")
    const unknown = withConfig(open('qwen2-types'), { layer_types: ['sliding_attention', 'linear_attention'] })
    expect(() => readModel(unknown)).toThrow('accepted: a list of 2 of full_attention, sliding_attention')
  })

  it('in GGUF are those of all layers, of a list, or of all but every so many-th', () => {
    const gguf = open('gguf-llama-f32/model.gguf')
    const windows = (pattern: boolean[] | number | undefined) =>
      windowsOf(
        readModel(
          withMetadata(gguf, {
            'llama.attention.sliding_window': 9,
            'llama.attention.sliding_window_pattern': pattern,
          }),
        ),
      )
    expect(windows(undefined)).toEqual([9, 9])
    expect(windows([false, true])).toEqual([0, 9])
    expect(windows(2)).toEqual([9, 0])
    expect(() => windows([true])).toThrow('accepted: a list of 2 times true or false')
  })
})

describe('layers without positions', () => {
  const turned = (model: Model) => nodesOf(model, 'rope').map(({ outputs }) => outputs.y)

  it('are every fourth of SmolLM3, or those of a list', () => {
    expect(turned(readModel(open('smollm3')))).not.toContain('blk.3.attn_q_rope')
    expect(turned(readModel(open('smollm3')))).toContain('blk.2.attn_q_rope')
    expect(turned(readModel(open('smollm3-list')))).toEqual(['blk.1.attn_q_rope', 'blk.1.attn_k_rope'])
  })
})
