import type { CheckpointDescription, Json } from '../formats/checkpoint.ts'
import { isJsonObject } from '../formats/parseJson.ts'
import type { TokenTexts } from './compileContract.ts'

/** The texts that a checkpoint's templates write for the tokens which begin and end texts; absent where it has none. */
export function tokenTexts(description: CheckpointDescription): TokenTexts {
  const [bosToken, eosToken] = [textOf(description, 'bos'), textOf(description, 'eos')]
  return { ...(bosToken === undefined ? {} : { bosToken }), ...(eosToken === undefined ? {} : { eosToken }) }
}

function textOf(description: CheckpointDescription, name: 'bos' | 'eos'): string | undefined {
  if (description.format === 'gguf') {
    const { metadata } = description
    const id = metadata.get(`tokenizer.ggml.${name}_token_id`)
    const tokens = metadata.get('tokenizer.ggml.tokens')
    const text = Array.isArray(tokens) && typeof id === 'number' ? (tokens[id] as unknown) : undefined
    return typeof text === 'string' ? text : undefined
  }
  const { tokenizerConfig } = description
  const token: Json | undefined = isJsonObject(tokenizerConfig) ? tokenizerConfig[`${name}_token`] : undefined
  const text = isJsonObject(token) ? token.content : token
  return typeof text === 'string' ? text : undefined
}
