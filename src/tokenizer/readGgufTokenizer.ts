import type { MetadataValue } from '../formats/checkpoint.ts'
import { printable } from '../formats/names.ts'
import { bytesOfLetters } from './byteAlphabet.ts'
import { charsmapStep } from './charsmapStep.ts'
import { checkContract } from './checkContract.ts'
import { isolate, type Piece, plainContract, type TokenizerContract } from './contract.ts'
import { type GgufKeys, ggufKeys } from './ggufKeys.ts'
import { readGgufWordpiece } from './readGgufWordpiece.ts'
import { readMerges } from './readMerges.ts'
import { type SplitRule, splitRules } from './splitPatterns.ts'
import { unknownScoreOf } from './unigramScores.ts'

type Metadata = ReadonlyMap<string, MetadataValue>

/** The tokenizer of a GGUF file, from its `tokenizer.ggml.*` keys; undefined where it has none. Raises tokenizer_invalid. */
export function readGgufTokenizer(metadata: Metadata, path: string): TokenizerContract | undefined {
  const model = metadata.get('tokenizer.ggml.model')
  if (model === undefined || model === 'none' || model === 'no_vocab') return undefined
  const keys = ggufKeys(metadata, path)
  if (model === 'llama' || model === 't5') return readSentencePieces(keys, model)
  if (model === 'gpt2') return readBpe(keys)
  if (model === 'bert') return readGgufWordpiece(keys)
  return keys.refuse(
    `tokenizer.ggml.model is ${printable(JSON.stringify(model))}`,
    'llama (SentencePiece BPE), gpt2 (byte-level BPE), t5 (SentencePiece Unigram), bert (WordPiece)',
  )
}

function readSentencePieces(keys: GgufKeys, model: 'llama' | 't5'): TokenizerContract {
  const texts = keys.texts('tokens')
  const types = keys.types(texts.length)
  const pieces = texts.map((text, id): Piece => {
    const type = types[id]!
    if (type !== 'byte') return { bytes: Buffer.from(text), type }
    const digits = /^<0x([0-9A-F]{2})>$/.exec(text)?.[1]
    if (!digits) keys.refuse(`byte token ${id} is written ${printable(JSON.stringify(text))}`, '<0x00> to <0xFF>')
    return { bytes: Uint8Array.of(Number.parseInt(digits!, 16)), type }
  })
  // Files that leave the ids out mean SentencePiece's own names.
  const named = (text: string) => texts.findIndex((other, id) => other === text && types[id] !== 'normal')
  const isUnigram = model === 't5'
  const common = keys.common(texts, types, named('</s>'))
  const bos = keys.id('bos_token_id') ?? named('<s>')
  const scores = Float32Array.from(
    keys.numbers('scores', texts.length) ?? keys.refuse('scores are missing', 'one score per token'),
  )
  if (keys.flag('treat_whitespace_as_suffix')) {
    keys.refuse('tokenizer.ggml.treat_whitespace_as_suffix is true', 'spaces in front of words')
  }
  const addsPrefix = keys.flag('add_space_prefix') ?? true
  return checkContract({
    ...plainContract,
    ...common,
    kind: isUnigram ? 'unigram' : 'spm',
    pieces,
    scores,
    unknownScore: isUnigram ? unknownScoreOf(Array.from(scores).filter((_, id) => pieces[id]!.type === 'normal')) : 0,
    steps: [
      ...charsmapStep(keys.bytes('precompiled_charsmap'), false, keys.path),
      ...(keys.flag('remove_extra_whitespaces') ? [{ step: 'squeeze', ends: 'stretch' } as const] : []),
    ],
    prefix: addsPrefix ? 'always' : 'none',
    stripPrefix: addsPrefix,
    byteFallback: types.includes('byte'),
    fuseUnknown: true,
    bos,
    unknown: keys.id('unknown_token_id') ?? named('<unk>'),
    addBos: (keys.flag('add_bos_token') ?? !isUnigram) && bos >= 0,
    addEos: keys.flag('add_eos_token') ?? (isUnigram && common.eos >= 0),
  })
}

function readBpe(keys: GgufKeys): TokenizerContract {
  const rule = splitRule(keys)
  const texts = keys.texts('tokens')
  const types = keys.types(texts.length)
  const isText = (id: number) => types[id] === 'normal' || types[id] === 'unused'
  const pieces = texts.map(
    (text, id): Piece => ({ bytes: (isText(id) && bytesOfLetters(text)) || Buffer.from(text), type: types[id]! }),
  )
  const idOf = new Map<string, number>()
  texts.forEach((text, id) => {
    if (types[id] === 'normal' || (types[id] === 'user' && !idOf.has(text))) idOf.set(text, id)
  })
  const bos = keys.id('bos_token_id') ?? -1
  return checkContract({
    ...plainContract,
    ...keys.common(texts, types),
    kind: 'bpe',
    pieces,
    merges: readMerges(keys.path, keys.texts('merges'), idOf),
    splits: rule.splits.map(isolate),
    wholeWords: rule.wholeWords,
    bos,
    addBos: keys.flag('add_bos_token') ?? (rule.addBos && bos >= 0),
  })
}

function splitRule(keys: GgufKeys): SplitRule {
  const name = keys.raw('pre')
  const rule = typeof name === 'string' ? splitRules.get(name) : undefined
  const what =
    name === undefined ? 'tokenizer.ggml.pre is missing' : `tokenizer.ggml.pre is ${printable(JSON.stringify(name))}`
  return rule ?? keys.refuse(what, [...splitRules.keys()].join(', '))
}
