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
const starcoder: SplitRule = { splits: ['\\p{N}', gpt2Pattern], wholeWords: false, addBos: false }
const deepseekCoder: SplitRule = {
  splits: ['[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', '[一-龥ࠀ-一가-퟿]+', '\\p{N}'],
  wholeWords: false,
  addBos: false,
}
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

export const splitRules: ReadonlyMap<string, SplitRule> = new Map([
  ['gpt-2', gpt2],
  ['phi-2', gpt2],
  ['mpt', gpt2],
  ['olmo', gpt2],
  ['llama3', llama3],
  ['llama-v3', llama3],
  ['llama-bpe', llama3],
  ['falcon3', llama3],
  ['qwen2', qwen2],
  ['deepseek-r1-qwen', qwen2],
  ['stablelm2', qwen2],
  ['starcoder', starcoder],
  ['refact', starcoder],
  ['command-r', starcoder],
  ['smollm', starcoder],
  ['codeshell', starcoder],
  ['exaone', starcoder],
  ['deepseek-coder', deepseekCoder],
  ['gpt-4o', gpt4o],
  ['llama4', gpt4o],
  ['tekken', tekken],
])
