import { describe, expect, it } from 'vitest'
import type { WeightDtype } from '../base/dtypes.ts'
import { type NamedShape, type PlanOptions, planTensors } from './planTensors.ts'
import { type RecipeName, recipes } from './recipes.ts'

/** The tensors of a decoder whose rows have `dim` values, `ffn` in ffn_down. */
function decoder(layers: number, { dim = 256, ffn = 512, isTied = true } = {}): NamedShape[] {
  const blocks = Array.from({ length: layers }, (_, i) => [
    { name: `blk.${i}.attn_norm.weight`, shape: [dim] },
    { name: `blk.${i}.attn_q.weight`, shape: [dim, dim] },
    { name: `blk.${i}.attn_v.weight`, shape: [dim / 4, dim] },
    { name: `blk.${i}.attn_output.weight`, shape: [dim, dim] },
    { name: `blk.${i}.ffn_down.weight`, shape: [dim, ffn] },
  ])
  const head = isTied ? [] : [{ name: 'output.weight', shape: [500, dim] }]
  return [{ name: 'token_embd.weight', shape: [500, dim] }, ...blocks.flat(), ...head]
}

const facts: PlanOptions = { path: 'model', rules: [], headsPerValue: 2, isWeighted: false }

const planOf = (tensors: readonly NamedShape[], recipe: RecipeName, options: Partial<PlanOptions> = {}) =>
  planTensors(tensors, recipes[recipe], { ...facts, ...options })

/** The layers whose `part` has a format. */
function layersOf(plan: ReadonlyMap<string, WeightDtype>, part: string, dtype: WeightDtype): number[] {
  return [...plan].flatMap(([name, found]) => {
    const layer = new RegExp(`^blk\\.(\\d+)\\.${part}\\.weight$`).exec(name)?.[1]
    return layer !== undefined && found === dtype ? [Number(layer)] : []
  })
}

describe('a recipe', () => {
  // Recorded from llama.cpp: bench/llamaCppQuantize.mjs compares every recipe with it.
  it('q4_k_m gives attn_v and ffn_down more bits at both ends and in every third layer', () => {
    const plan = planOf(decoder(28), 'q4_k_m')
    const sensitive = [0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 24, 25, 26, 27]
    for (const part of ['attn_v', 'ffn_down']) expect(layersOf(plan, part, 'q6_K')).toEqual(sensitive)
    expect(layersOf(plan, 'attn_q', 'q4_K').length).toBe(28)
    expect(plan.get('token_embd.weight')).toBe('q6_K')
    expect(plan.get('blk.0.attn_norm.weight')).toBe('f32')
  })

  it('q3_k_m has three formats, and q2_k looks at how many heads share their values', () => {
    const plan = planOf(decoder(32, { isTied: false }), 'q3_k_m')
    expect(layersOf(plan, 'attn_v', 'q5_K')).toEqual([0, 1])
    expect(layersOf(plan, 'ffn_down', 'q5_K')).toEqual([0, 1])
    expect(layersOf(plan, 'attn_output', 'q4_K').length).toBe(32)
    expect([plan.get('token_embd.weight'), plan.get('output.weight')]).toEqual(['q3_K', 'q6_K'])
    expect(planOf(decoder(2), 'q2_k').get('blk.0.attn_v.weight')).toBe('q3_K')
    expect(planOf(decoder(2), 'q2_k', { headsPerValue: 4 }).get('blk.0.attn_v.weight')).toBe('q4_K')
  })

  it('of a plain format may differ with importance weights', () => {
    expect(layersOf(planOf(decoder(16), 'q4_0'), 'ffn_down', 'q4_0').length).toBe(16)
    expect(layersOf(planOf(decoder(16), 'q4_0', { isWeighted: true }), 'ffn_down', 'q4_1')).toEqual([0, 1])
    expect(layersOf(planOf(decoder(16), 'iq4_xs'), 'ffn_down', 'q5_K')).toEqual([0, 1])
    expect(layersOf(planOf(decoder(16), 'iq4_xs', { isWeighted: true }), 'ffn_down', 'q5_K')).toEqual([])
  })

  it('gives way to narrower blocks where rows are no multiple of 256, and to f16 where none of 32', () => {
    const plan = planOf(decoder(8, { dim: 64, ffn: 100, isTied: false }), 'q4_k_m')
    expect(plan.get('blk.0.attn_q.weight')).toBe('q5_0')
    expect(plan.get('blk.2.attn_v.weight')).toBe('q5_0')
    expect(plan.get('blk.0.attn_v.weight')).toBe('q8_0')
    expect(plan.get('blk.0.ffn_down.weight')).toBe('f16')
    expect(plan.get('output.weight')).toBe('q8_0')
  })

  it('of a format without a narrower one refuses the tensor', () => {
    expect(() => planOf(decoder(1, { ffn: 100 }), 'q8_0')).toThrow(
      "model: tensor 'blk.0.ffn_down.weight' has shape [256, 100]; accepted: rows of a multiple of 32 elements, as type " +
        'Q8_0 has; nearest type for these: F16',
    )
  })
})

describe('rules', () => {
  it('come before the recipe, the last that matches first', () => {
    const rules = [
      { pattern: 'blk.*.ffn_down', dtype: 'q6_K' },
      { pattern: 'blk.?.ffn_down.weight', dtype: 'q8_0' },
    ] as const
    const plan = planOf(decoder(12), 'q4_0', { rules })
    expect(layersOf(plan, 'ffn_down', 'q8_0')).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(layersOf(plan, 'ffn_down', 'q6_K')).toEqual([10, 11])
  })

  it('are refused where they match no matrix, or a matrix that their format does not divide', () => {
    const rule = (pattern: string, dtype: WeightDtype) => () =>
      planOf(decoder(1, { ffn: 96 }), 'q8_0', { rules: [{ pattern, dtype }] })
    expect(rule('blk.*.attn_norm', 'q8_0')).toThrow(
      /^--tensor is 'blk.\*.attn_norm=q8_0'; accepted: patterns that match/,
    )
    expect(rule('blk.*.ffn_down', 'q4_K')).toThrow(/rows of a multiple of 256 .* nearest type for these: Q4_0/)
  })
})
