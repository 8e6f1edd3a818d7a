import { fail } from '../base/errors.ts'
import { byteToLetter } from '../tokenizer/byteAlphabet.ts'
import { pieceTypes } from '../tokenizer/contract.ts'

/** A byte-level BPE vocabulary as GGUF's `gpt2` tokenizer has it. */
export interface Vocabulary {
  readonly tokens: readonly string[]
  /** "left right", in rank order. */
  readonly merges: readonly string[]
  /** `tokenizer.ggml.token_type`. */
  readonly types: Int32Array
  readonly endOfText: number
  readonly endOfTurn: number
}

const bytes = 256
const controls = ['<|endoftext|>', '<|im_end|>'] as const

/** A vocabulary of `size` tokens: the bytes, then pairs of them, then triples, and two control tokens at the end. */
export function madeUpVocabulary(size: number): Vocabulary {
  const ordinary = size - controls.length
  const pairs = bytes * bytes
  if (ordinary < bytes || ordinary > bytes + pairs + pairs * bytes) {
    fail('engine_failed', { what: `there is no made-up vocabulary of ${size} tokens` })
  }
  const tokens = [...byteToLetter]
  const merges: string[] = []
  while (tokens.length < ordinary) {
    const made = tokens.length - bytes
    // Token 256 + i is the i-th pair of bytes; after the pairs, the i-th of them and a byte make a triple.
    const left = made < pairs ? made >> 8 : bytes + ((made - pairs) >> 8)
    const right = byteToLetter[made & 255]!
    merges.push(`${tokens[left]} ${right}`)
    tokens.push(`${tokens[left]}${right}`)
  }
  const types = new Int32Array(size).fill(pieceTypes.normal).fill(pieceTypes.control, ordinary)
  return { tokens: [...tokens, ...controls], merges, types, endOfText: ordinary, endOfTurn: ordinary + 1 }
}
