import { fail } from '../base/errors.ts'
import type { Json } from '../formats/checkpoint.ts'
import { byteToLetter } from './byteAlphabet.ts'
import type { Piece, Split, SplitBehaviour, TokenizerContract } from './contract.ts'
import { scoreMerges } from './scoreMerges.ts'
import { spaceMark } from './spaceMark.ts'
import { bertRulesOf } from './writeGgufWordpiece.ts'
import { writeJsonTemplate } from './writeJsonTemplate.ts'

type Step = { readonly [key: string]: Json }

/** What the kinds of tokenizers differ in. */
interface Pipeline {
  readonly normalizer: Json
  readonly pre_tokenizer: Json
  readonly decoder: Json
  readonly model: Step
}

/**
 * A tokenizer.json of a contract that was read from a GGUF file, for the Hugging Face tokenizers library. Ids stay what they
 * are; those of unused pieces have no token. Refuses `tokenizer_invalid` for Unigram, and for rules that GGUF files do not have.
 */
export function writeJsonTokenizer(contract: TokenizerContract): Step {
  const { pieces } = contract
  const texts = pieces.map((piece) => writtenText(contract, piece))
  const { normalizer, pre_tokenizer, decoder, model } = pipelineOf(contract, texts)
  const added = pieces.flatMap((piece, id) => (isAdded(piece) ? [addedToken(piece, id, texts[id]!)] : []))
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer,
    pre_tokenizer,
    post_processor: templateOf(contract, texts),
    decoder,
    model,
  }
}

/** The text of a piece in a tokenizer.json. */
export function writtenText({ kind }: Pick<TokenizerContract, 'kind'>, { bytes, type }: Piece): string {
  if (kind === 'bpe' && type === 'normal') return Array.from(bytes, (byte) => byteToLetter[byte]).join('')
  if (type === 'byte') return `<0x${bytes[0]!.toString(16).toUpperCase().padStart(2, '0')}>`
  return Buffer.from(bytes).toString('utf8')
}

const isAdded = ({ type, bytes }: Piece) => bytes.length > 0 && ['unknown', 'control', 'user'].includes(type)

function addedToken({ type, stripLeft, stripRight, singleWord, normalized }: Piece, id: number, content: string): Step {
  return {
    ...{ id, content, single_word: singleWord === true, lstrip: stripLeft === true, rstrip: stripRight === true },
    ...{ normalized: normalized === true, special: type !== 'user' },
  }
}

function pipelineOf(contract: TokenizerContract, texts: readonly string[]): Pipeline {
  switch (contract.kind) {
    case 'bpe':
      return byteLevel(contract, texts)
    case 'spm':
      return sentencePiece(contract, texts)
    case 'wordpiece':
      return wordpiece(contract, texts)
    case 'unigram':
      return refuse(contract, 'its pieces are chosen by Unigram')
    default:
      return contract.kind satisfies never
  }
}

function byteLevel(contract: TokenizerContract, texts: readonly string[]): Pipeline {
  const { merges, splits, wholeWords, steps, prefix } = contract
  if (steps.length > 0 || prefix !== 'none') refuse(contract, 'its text is changed before it is cut')
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false }
  return {
    normalizer: null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [...splits.map(splitStep), bytes] },
    decoder: { ...bytes, add_prefix_space: true },
    model: {
      ...bpeModel(vocabularyOf(contract, texts), pairsOf(merges, texts)),
      ...{ fuse_unk: false, byte_fallback: false, ignore_merges: wholeWords },
    },
  }
}

const behaviours: { readonly [B in SplitBehaviour]: string } = {
  isolated: 'Isolated',
  removed: 'Removed',
  mergedWithPrevious: 'MergedWithPrevious',
  mergedWithNext: 'MergedWithNext',
  contiguous: 'Contiguous',
}

function splitStep({ pattern, behaviour, invert }: Split): Step {
  return { type: 'Split', pattern: { Regex: pattern }, behavior: behaviours[behaviour], invert }
}

/** SentencePiece's joining by scores, as a list of merges. */
function sentencePiece(contract: TokenizerContract, texts: readonly string[]): Pipeline {
  const { steps, splits, prefix, stripPrefix, byteFallback, fuseUnknown, unknown, pieces, scores } = contract
  if (steps.length > 0 || splits.length > 0) refuse(contract, 'its text is changed before it is cut')
  const marked = { type: 'Replace', pattern: { String: ' ' }, content: spaceMark }
  const strip = { type: 'Strip', content: ' ', start: 1, stop: 0 }
  const isMerged = (id: number) => pieces[id]!.type === 'normal'
  return {
    normalizer:
      prefix === 'none' ? marked : { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: spaceMark }, marked] },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: spaceMark }, content: ' ' },
        ...(byteFallback ? [{ type: 'ByteFallback' }] : []),
        { type: 'Fuse' },
        ...(stripPrefix ? [strip] : []),
      ],
    },
    model: {
      ...bpeModel(vocabularyOf(contract, texts), scoreMerges(texts, scores ?? new Float32Array(0), isMerged)),
      ...{ fuse_unk: fuseUnknown, byte_fallback: byteFallback, ignore_merges: false },
      unk_token: unknown < 0 ? null : texts[unknown]!,
    },
  }
}

function wordpiece(contract: TokenizerContract, texts: readonly string[]): Pipeline {
  const { lowercase, stripAccents } = bertRulesOf(contract)
  return {
    normalizer: {
      ...{ type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true },
      ...{ strip_accents: stripAccents, lowercase },
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: contract.cleanUp },
    model: {
      type: 'WordPiece',
      unk_token: texts[contract.unknown] ?? '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: contract.mostWordCharacters,
      vocab: vocabularyOf(contract, texts),
    },
  }
}

function bpeModel(vocab: Step, merges: Json): Step {
  const unset = { dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null }
  return { type: 'BPE', ...unset, vocab, merges }
}

/** Text to id; pieces that no text becomes have none. */
function vocabularyOf(contract: TokenizerContract, texts: readonly string[]): Step {
  const ids = new Map<string, number>()
  contract.pieces.forEach(({ type }, id) => {
    const text = texts[id]!
    if (type === 'unused' || text === '') return
    if (ids.has(text)) refuse(contract, `ids ${ids.get(text)} and ${id} are both written ${JSON.stringify(text)}`)
    ids.set(text, id)
  })
  return Object.fromEntries(ids)
}

function pairsOf(merges: Uint32Array, texts: readonly string[]): Json {
  return Array.from({ length: merges.length / 3 }, (_, rank) => [
    texts[merges[3 * rank]!]!,
    texts[merges[3 * rank + 1]!]!,
  ])
}

/** What is set around a text; null where nothing is. */
function templateOf({ bos, eos, addBos, addEos, kind }: TokenizerContract, texts: readonly string[]): Json {
  const before = addBos && bos >= 0 ? [bos] : []
  const after = addEos && eos >= 0 ? [eos] : []
  // BERT's second text has no mark of its own in front.
  return writeJsonTemplate({ before, after, beforeSecond: kind === 'wordpiece' ? [] : before }, texts)
}

function refuse({ path }: TokenizerContract, what: string): never {
  const accepted = 'byte-level BPE, SentencePiece BPE or WordPiece as GGUF files have them'
  return fail('tokenizer_invalid', { path, what: `tokenizer.json is not written where ${what}`, accepted })
}
