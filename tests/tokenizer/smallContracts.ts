import { readFileSync } from 'node:fs'
import { bertSplits, bertSteps } from '../../src/tokenizer/bertRules.ts'
import { isolate, type Piece, plainContract, type TokenizerContract } from '../../src/tokenizer/contract.ts'
import { parseSentencePiece } from '../../src/tokenizer/parseSentencePiece.ts'
import { splitRules } from '../../src/tokenizer/splitPatterns.ts'
import type { Random } from './randomText.ts'

const base = { ...plainContract, path: 'test', addBos: true, addEos: false } as const

const control = (text: string): Piece => ({ bytes: Buffer.from(text), type: 'control' })

/** A byte-level tokenizer: 256 bytes, and random merges of few letters, so that most of them compete. */
export function byteContract(random: Random, splits = splitRules.get('qwen2')!.splits): TokenizerContract {
  const pieces: Piece[] = Array.from({ length: 256 }, (_, byte) => ({ bytes: Uint8Array.of(byte), type: 'normal' }))
  const idOf = new Map(pieces.map(({ bytes }, id) => [Buffer.from(bytes).toString('latin1'), id]))
  const parts = [...Buffer.from('aabbcde  e\u00e9')].map((byte) => byte)
  const merges: number[] = []
  const pairs = new Set<string>()
  while (merges.length < 3 * 120) {
    const left = parts[random(parts.length)]!
    const right = parts[random(parts.length)]!
    const bytes = Buffer.concat([pieces[left]!.bytes, pieces[right]!.bytes])
    if (pairs.has(`${left} ${right}`) || bytes.length > 12) continue
    pairs.add(`${left} ${right}`)
    const key = bytes.toString('latin1')
    const id = idOf.get(key) ?? pieces.push({ bytes, type: 'normal' }) - 1
    idOf.set(key, id)
    parts.push(id)
    merges.push(left, right, id)
  }
  pieces.push(control('<s>'), control('<|endoftext|>'), { bytes: Buffer.from('<user>'), type: 'user' })
  return {
    ...base,
    kind: 'bpe',
    pieces,
    merges: Uint32Array.from(merges),
    splits: splits.map(isolate),
    bos: pieces.length - 3,
    eos: pieces.length - 2,
    unknown: -1,
    ends: [pieces.length - 2],
  }
}

/** A SentencePiece vocabulary of random strings over few letters, with equal scores among them. */
export function characterContract(random: Random, byteFallback = true): TokenizerContract {
  const pieces: Piece[] = [{ bytes: Buffer.from('<unk>'), type: 'unknown' }, control('<s>'), control('</s>')]
  for (let byte = 0; byteFallback && byte < 256; byte++) pieces.push({ bytes: Uint8Array.of(byte), type: 'byte' })
  const letters = ['a', 'b', 'c', 'é', '漢', '\u2581', '\u2581', '🦙']
  const texts = new Set(letters.slice(0, 7))
  while (texts.size < 150) {
    texts.add(Array.from({ length: 1 + random(5) }, () => letters[random(letters.length)]).join(''))
  }
  for (const text of texts) pieces.push({ bytes: Buffer.from(text), type: 'normal' })
  return {
    ...base,
    kind: 'spm',
    pieces,
    scores: Float32Array.from(pieces, () => -random(40)),
    prefix: 'always',
    stripPrefix: true,
    byteFallback,
    fuseUnknown: true,
    bos: 1,
    eos: 2,
    unknown: 0,
    ends: [2],
  }
}

const randomTexts = (random: Random, letters: readonly string[], count: number): ReadonlySet<string> => {
  const texts = new Set(letters)
  while (texts.size < count) {
    texts.add(Array.from({ length: 1 + random(5) }, () => letters[random(letters.length)]).join(''))
  }
  return texts
}

/** A small character map, made by SentencePiece (oracles/tokenizer_kinds.py). */
export function smallCharsmap(): Uint8Array {
  const { model } = JSON.parse(readFileSync(new URL('mixed/spm-unigram.json', import.meta.url), 'utf8')) as {
    model: string
  }
  return parseSentencePiece(Buffer.from(model, 'base64'), 'spm-unigram.json').charsmap
}

/** A Unigram vocabulary of random strings over few letters; every kind of step runs before it. */
export function unigramContract(random: Random, byteFallback = false): TokenizerContract {
  const pieces: Piece[] = [{ bytes: Buffer.from('<unk>'), type: 'unknown' }, control('<s>'), control('</s>')]
  for (let byte = 0; byteFallback && byte < 256; byte++) pieces.push({ bytes: Uint8Array.of(byte), type: 'byte' })
  for (const text of randomTexts(random, ['a', 'b', 'c', 'é', '漢', '\u2581'], 150)) {
    pieces.push({ bytes: Buffer.from(text), type: 'normal' })
  }
  pieces.push({ bytes: Buffer.from('<User>'), type: 'user', singleWord: true, normalized: true, stripLeft: true })
  return {
    ...base,
    kind: 'unigram',
    pieces,
    scores: Float64Array.from(pieces, () => -1 - random(40) / 4),
    unknownScore: -21,
    steps: [
      { step: 'form', form: 'NFD' },
      { step: 'map', map: 'nmt' },
      { step: 'charsmap', charsmap: smallCharsmap(), clusters: byteFallback },
      { step: 'replace', pattern: '\\d{2,}', content: 'ab' },
      { step: 'strip', left: false, right: true },
      { step: 'squeeze', ends: 'text' },
    ],
    splits: [{ pattern: '\\p{P}', behaviour: 'mergedWithPrevious', invert: false }],
    prefix: 'always',
    prefixUnlessSpace: true,
    stripPrefix: true,
    byteFallback,
    fuseUnknown: true,
    bos: 1,
    eos: 2,
    unknown: 0,
    ends: [2],
  }
}

/** An uncased WordPiece vocabulary of random strings over few letters. */
export function wordpieceContract(random: Random): TokenizerContract {
  const pieces: Piece[] = [control('[PAD]'), { bytes: Buffer.from('[UNK]'), type: 'unknown' }]
  pieces.push(control('[CLS]'), control('[SEP]'))
  for (const text of randomTexts(random, ['a', 'b', 'c', 'd', 'e', '漢', '##a', '##b', '##c', '!', 'ß'], 200)) {
    pieces.push({ bytes: Buffer.from(text.replaceAll(/(?<=.)##/g, '')), type: 'normal' })
  }
  return {
    ...base,
    kind: 'wordpiece',
    pieces: pieces.filter(
      ({ bytes }, i) => pieces.findIndex((other) => Buffer.compare(other.bytes, bytes) === 0) === i,
    ),
    steps: bertSteps({ cleanText: true, spaceIdeographs: true, stripAccents: true, lowercase: true }),
    splits: bertSplits,
    stripPrefix: true,
    cleanUp: true,
    mostWordCharacters: 100,
    bos: 2,
    eos: 3,
    unknown: 1,
    addEos: true,
    ends: [3],
  }
}
