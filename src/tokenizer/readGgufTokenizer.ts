import { fail } from '../base/errors.ts'
import type { MetadataValue } from '../formats/checkpoint.ts'
import { bytesOfLetters } from './byteAlphabet.ts'
import { checkContract } from './checkContract.ts'
import { type Piece, type PieceType, pieceTypes, type TokenizerContract } from './contract.ts'
import { endMarkers } from './endMarkers.ts'
import { readMerges } from './readMerges.ts'
import { type SplitRule, splitRules } from './splitPatterns.ts'

type Metadata = ReadonlyMap<string, MetadataValue>

/** The tokenizer of a GGUF file, from its `tokenizer.ggml.*` keys; undefined where it has none. Raises tokenizer_invalid. */
export function readGgufTokenizer(metadata: Metadata, path: string): TokenizerContract | undefined {
  const model = metadata.get('tokenizer.ggml.model')
  if (model === undefined || model === 'none' || model === 'no_vocab') return undefined
  const keys = keyReader(metadata, path)
  if (model === 'llama') return readSpm(keys)
  if (model === 'gpt2') return readBpe(keys)
  return keys.refuse(
    `tokenizer.ggml.model is ${JSON.stringify(model)}`,
    'llama (SentencePiece BPE), gpt2 (byte-level BPE)',
  )
}

function readSpm(keys: KeyReader): TokenizerContract {
  const texts = keys.texts('tokens')
  const types = keys.types(texts.length)
  const pieces = texts.map((text, id): Piece => {
    const type = types[id]!
    if (type !== 'byte') return { bytes: Buffer.from(text), type }
    const digits = /^<0x([0-9A-F]{2})>$/.exec(text)?.[1]
    if (!digits) keys.refuse(`byte token ${id} is written ${JSON.stringify(text)}`, '<0x00> to <0xFF>')
    return { bytes: Uint8Array.of(Number.parseInt(digits!, 16)), type }
  })
  // Files that leave the ids out mean SentencePiece's own names.
  const named = (text: string) => texts.findIndex((other, id) => other === text && types[id] !== 'normal')
  const bos = keys.id('bos_token_id') ?? named('<s>')
  const scores = keys.numbers('scores', texts.length)
  const charsmap = keys.raw('precompiled_charsmap')
  if (charsmap !== undefined && (charsmap as { length: number }).length > 0) {
    keys.refuse('a precompiled character map is not supported yet', 'files without precompiled_charsmap')
  }
  return checkContract({
    ...keys.common(texts, types, named('</s>')),
    kind: 'spm',
    pieces,
    scores: Float32Array.from(scores ?? keys.refuse('scores are missing', 'one score per token')),
    merges: new Uint32Array(0),
    splits: [],
    wholeWords: false,
    prefix: (keys.flag('add_space_prefix') ?? true) ? 'always' : 'none',
    stripPrefix: keys.flag('add_space_prefix') ?? true,
    byteFallback: types.includes('byte'),
    fuseUnknown: true,
    bos,
    unknown: keys.id('unknown_token_id') ?? named('<unk>'),
    addBos: (keys.flag('add_bos_token') ?? true) && bos >= 0,
  })
}

function readBpe(keys: KeyReader): TokenizerContract {
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
    ...keys.common(texts, types),
    kind: 'bpe',
    pieces,
    scores: null,
    merges: readMerges(keys.path, keys.texts('merges'), idOf),
    splits: rule.splits,
    wholeWords: rule.wholeWords,
    prefix: 'none',
    stripPrefix: false,
    byteFallback: false,
    fuseUnknown: false,
    bos,
    addBos: keys.flag('add_bos_token') ?? (rule.addBos && bos >= 0),
  })
}

function splitRule(keys: KeyReader): SplitRule {
  const name = keys.raw('pre')
  const rule = typeof name === 'string' ? splitRules.get(name) : undefined
  const what = name === undefined ? 'tokenizer.ggml.pre is missing' : `tokenizer.ggml.pre is ${JSON.stringify(name)}`
  return rule ?? keys.refuse(what, [...splitRules.keys()].join(', '))
}

type KeyReader = ReturnType<typeof keyReader>

const typeNames = new Map<number, PieceType>(
  Object.entries(pieceTypes).map(([name, number]) => [number, name as PieceType]),
)

/** Reads `tokenizer.ggml.<key>` with the check that its type needs. */
function keyReader(metadata: Metadata, path: string) {
  const raw = (key: string) => metadata.get(`tokenizer.ggml.${key}`)
  const refuse = (what: string, accepted: string): never => fail('tokenizer_invalid', { path, what, accepted })
  const found = (value: MetadataValue) => (typeof value === 'object' ? 'an array' : JSON.stringify(String(value)))

  const id = (key: string): number | undefined => {
    const value = raw(key)
    // Writers put -1 as an unsigned number where a token does not exist.
    if (value === undefined || value === 0xffffffff || value === -1) return undefined
    if (typeof value === 'number') return value
    return refuse(`tokenizer.ggml.${key} is ${found(value)}`, 'a token id')
  }
  const flag = (key: string): boolean | undefined => {
    const value = raw(key)
    if (value === undefined || typeof value === 'boolean') return value
    return refuse(`tokenizer.ggml.${key} is ${found(value)}`, 'true or false')
  }
  const texts = (key: string): readonly string[] => {
    const value = raw(key)
    if (!Array.isArray(value)) return refuse(`tokenizer.ggml.${key} is no list`, 'an array of strings')
    const at = value.findIndex((item) => typeof item !== 'string')
    if (at >= 0) refuse(`tokenizer.ggml.${key}[${at}] is no text`, 'an array of strings')
    return value as readonly string[]
  }
  const numbers = (key: string, count: number): readonly number[] | undefined => {
    const value = raw(key)
    if (value === undefined) return undefined
    const list: unknown[] = Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as Int32Array) : []
    if (list.length !== count) refuse(`tokenizer.ggml.${key} has ${list.length} numbers`, `${count}, one per token`)
    const at = list.findIndex((item) => typeof item !== 'number')
    if (at >= 0) refuse(`tokenizer.ggml.${key}[${at}] is no number`, 'an array of numbers')
    return list as number[]
  }
  const types = (count: number): PieceType[] => {
    const list =
      numbers('token_type', count)?.map(
        (number, at) =>
          typeNames.get(number) ??
          refuse(`token ${at} has type ${number}`, [...typeNames].map((row) => row.join(' ')).join(', ')),
      ) ?? new Array<PieceType>(count).fill('normal')
    for (const key of ['bos_token_id', 'eos_token_id', 'eot_token_id', 'eom_token_id']) {
      const special = id(key)
      // An end that were ordinary text could be written by a user's text.
      if (special !== undefined && list[special] === 'normal') list[special] = 'control'
    }
    return list
  }
  const common = (texts: readonly string[], types: readonly PieceType[], eosByName = -1) => {
    const eos = id('eos_token_id') ?? eosByName
    const eot = id('eot_token_id') ?? -1
    const ends = new Set([eos, eot, id('eom_token_id') ?? -1].filter((end) => end >= 0))
    texts.forEach((text, at) => {
      if (endMarkers.has(text) && (types[at] === 'control' || types[at] === 'user')) ends.add(at)
    })
    return {
      path,
      eos,
      eot,
      unknown: id('unknown_token_id') ?? -1,
      ends: [...ends].sort((a, b) => a - b),
      addEos: flag('add_eos_token') ?? false,
      prefixUnlessSpace: false,
      cutAtSpaces: false,
      nfc: false,
    }
  }
  return { path, raw, refuse, id, flag, texts, numbers, types, common }
}
