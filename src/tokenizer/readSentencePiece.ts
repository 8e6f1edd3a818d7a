import type { Json } from '../formats/checkpoint.ts'
import { isJsonObject } from '../formats/parseJson.ts'
import { charsmapStep } from './charsmapStep.ts'
import { checkContract, mostPieces } from './checkContract.ts'
import { type Piece, plainContract, type TokenizerContract } from './contract.ts'
import { endMarkers } from './endMarkers.ts'
import { type JsonFields, jsonFields } from './jsonFields.ts'
import { parseSentencePiece } from './parseSentencePiece.ts'
import { configuredIds } from './readJsonTokenizer.ts'
import { unknownScoreOf } from './unigramScores.ts'

/** The files of a transformers folder without tokenizer.json that have a say in its tokenizer. */
export interface SentencePieceFiles {
  readonly sentencePiece: Uint8Array
  readonly tokenizerConfig?: Json | undefined
  readonly config?: Json | undefined
  readonly generationConfig?: Json | undefined
}

/** Classes whose models use other ids than tokenizer.model has. */
const renumbering =
  /^(XLMRoberta|Camembert|MBart|MBart50|Barthez|Pegasus|XGLM|NllB|Nllb|M2M100|Marian|SeamlessM4T|Speech2Text|CPM|ErnieM|Plbart|PLBart|Fnet|FNet|RemBert|BigBird|Reformer|XLNet|DebertaV2|SpeechT5|LayoutXLM|MLuke|XLMProphetNet|Code[lL]lama)/

/** The tokenizer of a tokenizer.model, with the added tokens of tokenizer_config.json. Raises tokenizer_invalid. */
export function readSentencePiece(files: SentencePieceFiles, path: string): TokenizerContract {
  const settings = isJsonObject(files.tokenizerConfig) ? files.tokenizerConfig : {}
  const fields = jsonFields(settings, path)
  const model = parseSentencePiece(files.sentencePiece, path)
  refuseStrangers(fields, model.modelType, settings.tokenizer_class ?? null)
  if (model.treatWhitespaceAsSuffix) fields.refuse('it has spaces behind words', 'spaces in front of words')
  if (!model.escapeWhitespaces) fields.refuse('it leaves spaces as they are', 'escape_whitespaces true')

  const pieces: Piece[] = model.pieces.map(({ text, type }, id): Piece => {
    if (type !== 'byte') return { bytes: Buffer.from(text), type }
    const digits = /^<0x([0-9A-F]{2})>$/.exec(text)?.[1]
    if (!digits) return fields.refuse(`byte token ${id} is written ${fields.show(text)}`, '<0x00> to <0xFF>')
    return { bytes: Uint8Array.of(Number.parseInt(digits, 16)), type }
  })
  const scores = model.pieces.map(({ score }) => score)
  for (const [id, piece] of addedTokens(fields, settings.added_tokens_decoder ?? {})) {
    while (pieces.length < id) pieces.push({ bytes: new Uint8Array(0), type: 'unused' })
    if (pieces[id]?.type === 'unknown') continue
    pieces[id] = piece
  }
  while (scores.length < pieces.length) scores.push(0)

  const isUnigram = model.modelType === 1
  const known = (id: number) => (id >= 0 && id < pieces.length ? id : -1)
  const named = (value: Json | undefined): number => {
    const text = isJsonObject(value) ? value.content : value
    if (typeof text !== 'string') return -1
    const bytes = Buffer.from(text)
    return pieces.findIndex((piece) => piece.type !== 'normal' && bytes.equals(piece.bytes))
  }
  const firstOf = (...ids: number[]) => ids.find((id) => id >= 0) ?? -1
  const bos = firstOf(named(settings.bos_token), known(model.ids.bos))
  const eos = firstOf(named(settings.eos_token), known(model.ids.eos))
  const marked = pieces.flatMap(({ bytes, type }, id) =>
    (type === 'control' || type === 'user') && endMarkers.has(Buffer.from(bytes).toString('utf8')) ? [id] : [],
  )
  const configured = [...configuredIds(files.generationConfig), ...configuredIds(files.config)]
  const ends = new Set([eos, ...configured, ...marked].filter((id) => known(id) >= 0))
  const flag = (key: string, absent: boolean) => (typeof settings[key] === 'boolean' ? settings[key] === true : absent)
  return checkContract({
    ...plainContract,
    path,
    kind: isUnigram ? 'unigram' : 'spm',
    pieces,
    scores: Float32Array.from(scores),
    unknownScore: isUnigram ? unknownScoreOf(scores.filter((_, id) => pieces[id]!.type === 'normal')) : 0,
    steps: [
      ...charsmapStep(model.charsmap, false, path),
      ...(model.removeExtraWhitespaces ? [{ step: 'squeeze', ends: 'text' } as const] : []),
    ],
    // A user's token inside a text has no space of its own behind it.
    prefix: model.addDummyPrefix ? 'first' : 'none',
    stripPrefix: model.addDummyPrefix,
    byteFallback: model.byteFallback,
    fuseUnknown: true,
    bos,
    eos,
    unknown: known(model.ids.unknown),
    // What the classes of each kind do where the file does not say: Llama begins with BOS, T5 ends with EOS.
    addBos: flag('add_bos_token', !isUnigram) && bos >= 0,
    addEos: flag('add_eos_token', isUnigram) && eos >= 0,
    ends: [...ends].sort((a, b) => a - b),
  })
}

function refuseStrangers(fields: JsonFields, modelType: number, tokenizerClass: Json): void {
  if (modelType !== 1 && modelType !== 2) {
    fields.refuse(`tokenizer.model has model type ${modelType}`, '1 (Unigram) or 2 (BPE)')
  }
  if (typeof tokenizerClass === 'string' && renumbering.test(tokenizerClass)) {
    fields.refuse(
      `tokenizer_class ${fields.show(tokenizerClass)} numbers tokens otherwise than tokenizer.model`,
      'a folder with tokenizer.json',
    )
  }
}

/** `added_tokens_decoder` by id, ascending. */
function addedTokens(fields: JsonFields, json: Json): (readonly [number, Piece])[] {
  if (!isJsonObject(json)) return fields.refuse('added_tokens_decoder is no object', 'an object from id to token')
  return Object.entries(json)
    .map(([key, token]) => {
      const id = Number(key)
      if (
        !Number.isInteger(id) ||
        id < 0 ||
        id >= mostPieces ||
        !isJsonObject(token) ||
        typeof token.content !== 'string'
      ) {
        return fields.refuse(
          `added token ${fields.show(key)} is ${fields.show(token)}`,
          'an id with an object with content',
        )
      }
      const piece: Piece = {
        bytes: Buffer.from(token.content),
        type: token.special === true ? 'control' : 'user',
        stripLeft: token.lstrip === true,
        stripRight: token.rstrip === true,
        singleWord: token.single_word === true,
        normalized: token.normalized === true,
      }
      return [id, piece] as const
    })
    .sort((a, b) => a[0] - b[0])
}
