/** The templates of which fresh models are made, by name; a test holds the list against the templates. */
export const modelFamilies = [
  ...(['llama', 'mistral', 'qwen2', 'qwen3', 'qwen35', 'phi3', 'smollm3', 'granite'] as const),
  ...(['gemma', 'gemma2', 'gemma3', 'olmo2', 'glm', 'glm4', 'gpt2', 'starcoder2'] as const),
] as const

export type ModelFamily = (typeof modelFamilies)[number]
