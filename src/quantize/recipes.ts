import type { WeightDtype } from '../base/dtypes.ts'

/** What a matrix does in a model, as far as recipes tell matrices apart. */
export type Role = 'token_embd' | 'output' | 'attn_v' | 'attn_output' | 'ffn_down'

/** Roles by GGUF tensor name. A matrix that holds the values beside others counts as attn_v. */
export const roleNames: { readonly [R in Role]: RegExp } = {
  token_embd: /^(per_layer_)?token_embd\.weight$/,
  output: /^output\.weight$/,
  attn_v: /attn_(v|qkv|kv_b)\.weight$/,
  attn_output: /attn_output\.weight$/,
  ffn_down: /ffn_down/,
}

/** Sets of layers, by the index of a layer among those that have such a matrix. Quotients are rounded down. */
export const layerSets = {
  all: () => true,
  firstTwo: (layer) => layer < 2,
  firstFour: (layer) => layer < 4,
  firstSixteenth: (layer, layers) => layer < floor(layers / 16),
  firstEighth: (layer, layers) => layer < floor(layers / 8),
  /** The first and the last eighth, and every third in between. */
  sensitive: (layer, layers) => {
    const eighth = floor(layers / 8)
    return layer < eighth || layer >= floor((7 * layers) / 8) || (layer - eighth) % 3 === 2
  },
} as const satisfies Record<string, (layer: number, layers: number) => boolean>

/** Conditions on the model and on how it is quantised. */
export const conditions = {
  /** Four query heads or more share one of keys and values, so that attn_v is small and used often. */
  sharedValues: ({ headsPerValue }) => headsPerValue >= 4,
  weighted: ({ isWeighted }) => isWeighted,
  unweighted: ({ isWeighted }) => !isWeighted,
} as const satisfies Record<string, (facts: RecipeFacts) => boolean>

/** What conditions ask for. */
export interface RecipeFacts {
  readonly headsPerValue: number
  /** Whether there are importance weights. */
  readonly isWeighted: boolean
}

/** Matrices of this role, in these layers, where the condition holds, get another format than the recipe's own. */
export interface Rule {
  readonly role: Role
  readonly dtype: WeightDtype
  readonly layers?: keyof typeof layerSets
  readonly when?: keyof typeof conditions
}

/** How the matrices of a model are stored. */
export interface Recipe {
  /** `general.file_type` (llama.h: llama_ftype). */
  readonly fileType: number
  readonly dtype: WeightDtype
  /** The head's format; an embedding that is the head as well counts as the head. */
  readonly head: WeightDtype
  /** The first that fits decides. */
  readonly rules: readonly Rule[]
}

const floor = Math.floor
const plain = (fileType: number, dtype: WeightDtype, head: WeightDtype = 'q6_K', ...rules: Rule[]): Recipe => ({
  fileType,
  dtype,
  head,
  rules,
})

/** The formats of `ck quantize` and `ck synth`: names, numbers and distribution are llama.cpp's. */
const rows = {
  f32: plain(0, 'f32', 'f32'),
  f16: plain(1, 'f16', 'f16'),
  bf16: plain(32, 'bf16', 'bf16'),
  q8_0: plain(7, 'q8_0', 'q8_0'),
  q4_0: plain(2, 'q4_0', 'q6_K', { role: 'ffn_down', layers: 'firstEighth', when: 'weighted', dtype: 'q4_1' }),
  q4_1: plain(3, 'q4_1'),
  q5_0: plain(8, 'q5_0', 'q6_K', { role: 'ffn_down', layers: 'firstEighth', when: 'weighted', dtype: 'q5_1' }),
  q5_1: plain(9, 'q5_1'),
  q2_k: plain(
    10,
    'q2_K',
    'q6_K',
    { role: 'attn_v', when: 'sharedValues', dtype: 'q4_K' },
    { role: 'attn_v', dtype: 'q3_K' },
    { role: 'ffn_down', dtype: 'q3_K' },
    { role: 'attn_output', dtype: 'q3_K' },
  ),
  q3_k_s: plain(11, 'q3_K'),
  q3_k_m: plain(
    12,
    'q3_K',
    'q6_K',
    { role: 'attn_v', layers: 'firstTwo', dtype: 'q5_K' },
    { role: 'attn_v', dtype: 'q4_K' },
    { role: 'ffn_down', layers: 'firstSixteenth', dtype: 'q5_K' },
    { role: 'ffn_down', dtype: 'q4_K' },
    { role: 'attn_output', dtype: 'q4_K' },
  ),
  q3_k_l: plain(
    13,
    'q3_K',
    'q6_K',
    { role: 'attn_v', dtype: 'q5_K' },
    { role: 'ffn_down', dtype: 'q5_K' },
    { role: 'attn_output', dtype: 'q5_K' },
  ),
  q4_k_s: plain(
    14,
    'q4_K',
    'q6_K',
    { role: 'attn_v', layers: 'firstFour', dtype: 'q5_K' },
    { role: 'ffn_down', layers: 'firstEighth', dtype: 'q5_K' },
  ),
  q4_k_m: plain(
    15,
    'q4_K',
    'q6_K',
    { role: 'attn_v', layers: 'sensitive', dtype: 'q6_K' },
    { role: 'ffn_down', layers: 'sensitive', dtype: 'q6_K' },
  ),
  q5_k_s: plain(16, 'q5_K'),
  q5_k_m: plain(
    17,
    'q5_K',
    'q6_K',
    { role: 'attn_v', layers: 'sensitive', dtype: 'q6_K' },
    { role: 'ffn_down', layers: 'sensitive', dtype: 'q6_K' },
  ),
  q6_k: plain(18, 'q6_K'),
  iq4_nl: plain(
    25,
    'iq4_nl',
    'q6_K',
    { role: 'attn_v', when: 'sharedValues', dtype: 'q5_K' },
    { role: 'ffn_down', layers: 'firstEighth', when: 'unweighted', dtype: 'q5_K' },
  ),
  iq4_xs: plain(
    30,
    'iq4_xs',
    'q6_K',
    { role: 'attn_v', when: 'sharedValues', dtype: 'q5_K' },
    { role: 'ffn_down', layers: 'firstEighth', when: 'unweighted', dtype: 'q5_K' },
  ),
  mxfp4: plain(38, 'mxfp4', 'q8_0'),
} as const satisfies Record<string, Recipe>

export type RecipeName = keyof typeof rows
export const recipes: { readonly [R in RecipeName]: Recipe } = rows
export const recipeNames = Object.keys(rows) as readonly RecipeName[]

/** What stands in for a format whose blocks do not divide a row; where that does not either, the next one. */
export const narrower: { readonly [D in WeightDtype]?: WeightDtype } = {
  q2_K: 'q4_0',
  q3_K: 'q4_0',
  q4_K: 'q5_0',
  q5_K: 'q5_1',
  q6_K: 'q8_0',
  iq4_xs: 'iq4_nl',
}
