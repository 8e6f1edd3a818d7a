/**
 * How byte-level vocabularies cut text before merging, by the name in `tokenizer.ggml.pre`. The patterns are those of the
 * models' own tokenizer files.
 */
export interface SplitRule {
  readonly splits: readonly string[]
  readonly wholeWords: boolean
  /** BOS policy where the file does not say. */
  readonly addBos: boolean
}

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const lineAware = ` ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`
const upper = '\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}'
const lower = '\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}'
const lineAwareSlash = ` ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`

/** The pattern of GPT-2, which is also what a ByteLevel pre-tokenizer means by `use_regex`. */
export const gpt2Pattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

const gpt2: SplitRule = { splits: [gpt2Pattern], wholeWords: false, addBos: false }
const llama3: SplitRule = {
  splits: [`${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|${lineAware}`],
  wholeWords: true,
  addBos: true,
}
const qwen2: SplitRule = {
  splits: [`${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|${lineAware}`],
  wholeWords: false,
  addBos: false,
}
/** The pattern of Llama 3 with other rules: OLMo 2, GLM-4, Smaug. */
const llama3Merged: SplitRule = { ...llama3, wholeWords: false, addBos: false }
const starcoder: SplitRule = { splits: ['\\p{N}', gpt2Pattern], wholeWords: false, addBos: false }
const deepseekCoder: SplitRule = {
  splits: ['[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', '[一-龥ࠀ-一가-퟿]+', '\\p{N}'],
  wholeWords: false,
  addBos: false,
}
/** Letters of the cased scripts, in the order of Unicode. */
const deepseekLetters =
  'A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿ\\u0386\\u0388-\\u038a\\u038c\\u038e-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕ' +
  'Ἐ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝ\\u1f5f-\\u1f7d\\u1f80-\\u1fb4\\u1fb6-\\u1fbc\\u1fbe\\u1fc2-\\u1fc4\\u1fc6-\\u1fcc\\u1fd0-\\u1fd3\\u1fd6-\\u1fdb' +
  '\\u1fe0-\\u1fec\\u1ff2-\\u1ff4\\u1ff6-\\u1ffcℂℇℊ-ℓℕℙ-ℝℤ\\u2126ℨ\\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿ' +
  '\\ufb00-\\ufb06\\ufb13-\\ufb17Ａ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃'
const deepseekLlm: SplitRule = {
  splits: [
    '[\\r\\n]',
    `\\s?[${deepseekLetters}]+`,
    '\\s?[!-\\/:-~！-／：-～‘-‟\u3000-。]+',
    '\\s+$',
    '[一-龥ࠀ-一가-퟿]+',
    '\\p{N}+',
  ],
  wholeWords: false,
  addBos: false,
}
const deepseek3: SplitRule = {
  splits: [
    '\\p{N}{1,3}',
    '[一-龥\u3040-ゟ゠-ヿ]+',
    '[!-\\/:-@\\[-`{-~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|' +
      '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
  ],
  wholeWords: false,
  addBos: false,
}
const qwen35: SplitRule = {
  splits: [
    `${contractions}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|` +
      '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
  ],
  wholeWords: false,
  addBos: false,
}
const falcon: SplitRule = {
  splits: ['[\\p{P}$+<=>^~|`]+', gpt2Pattern, '[0-9][0-9][0-9]'],
  wholeWords: false,
  addBos: false,
}
const bloom: SplitRule = { splits: [' ?[^(\\s|.,!?…。，、।۔،)]+'], wholeWords: false, addBos: false }
const gpt4o: SplitRule = {
  splits: [
    `[^\\r\\n\\p{L}\\p{N}]?[${upper}]*[${lower}]+${contractions}?|` +
      `[^\\r\\n\\p{L}\\p{N}]?[${upper}]+[${lower}]*${contractions}?|\\p{N}{1,3}|${lineAwareSlash}`,
  ],
  wholeWords: false,
  addBos: false,
}
const tekken: SplitRule = {
  splits: [
    `[^\\r\\n\\p{L}\\p{N}]?[${upper}]*[${lower}]+|[^\\r\\n\\p{L}\\p{N}]?[${upper}]+[${lower}]*|\\p{N}|${lineAwareSlash}`,
  ],
  wholeWords: true,
  addBos: true,
}

/** Name in `tokenizer.ggml.pre` to rule. The first of those with equal rules is the one that is written. */
export const splitRules: ReadonlyMap<string, SplitRule> = new Map([
  ...named(gpt2, 'gpt-2', 'phi-2', 'mpt', 'olmo', 'jais', 'trillion', 'granite-docling', 'gigachat', 'mellum'),
  ...named(gpt2, 'jina-es', 'jina-de', 'jina-v2-es', 'jina-v2-de', 'a.x-4.0', 'modern-bert'),
  ...named(llama3, 'llama3', 'llama-v3', 'llama-bpe', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2'),
  ...named(llama3Merged, 'dbrx', 'smaug-bpe', 'chatglm-bpe', 'glm4'),
  ...named(qwen2, 'qwen2', 'deepseek-r1-qwen', 'megrez', 'stablelm2', 'hunyuan', 'grok-2'),
  ...named(qwen35, 'qwen35'),
  ...named(starcoder, 'starcoder', 'refact', 'command-r', 'smollm', 'codeshell', 'exaone', 'minerva-7b'),
  ...named(deepseekCoder, 'deepseek-coder'),
  ...named(deepseekLlm, 'deepseek-llm'),
  ...named(deepseek3, 'deepseek-v3', 'deepseek-r1', 'hunyuan-dense'),
  ...named(falcon, 'falcon'),
  ...named(bloom, 'bloom', 'poro-chat', 'gpt3-finnish'),
  ...named(gpt4o, 'gpt-4o', 'llama4'),
  ...named(tekken, 'tekken'),
])

function named(rule: SplitRule, ...names: readonly string[]): (readonly [string, SplitRule])[] {
  return names.map((name) => [name, rule])
}
