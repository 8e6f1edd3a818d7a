import type { CheckpointDescription } from '../formats/checkpoint.ts'
import type { TokenizerContract } from './contract.ts'
import { readGgufTokenizer } from './readGgufTokenizer.ts'
import { readJsonTokenizer } from './readJsonTokenizer.ts'
import { readSentencePiece } from './readSentencePiece.ts'

/**
 * The tokenizer that a checkpoint describes; undefined where it has none. `path` names the checkpoint in messages.
 * Raises tokenizer_invalid for one that is damaged, incomplete or of a kind not supported.
 */
export function readTokenizer(description: CheckpointDescription, path: string): TokenizerContract | undefined {
  if (description.format === 'gguf') return readGgufTokenizer(description.metadata, path)
  const { tokenizer, sentencePiece, tokenizerConfig, generationConfig, config } = description
  if (tokenizer === undefined) {
    if (sentencePiece === undefined) return undefined
    return readSentencePiece({ sentencePiece, tokenizerConfig, generationConfig, config }, path)
  }
  return readJsonTokenizer({ tokenizer, tokenizerConfig, generationConfig, config }, path)
}
