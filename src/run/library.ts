/** The C functions of a built model (src/engine/ck.h), called through koffi. What they mean is written there. */
import koffi, { type LibraryHandle, type TypeObject } from 'koffi'
import { fail } from '../base/errors.ts'
import { type Answer, answer, answerLater, type Native, nothing, type Pointer } from './native.ts'
import { bindProfile, type ProfileLibrary } from './profileLibrary.ts'
import { bindSequences, type SequenceLibrary } from './sequenceLibrary.ts'

export type { Batch, EvalMode } from './sequenceLibrary.ts'

/** The engine interface that this version speaks: CK_ABI_VERSION. */
export const abiVersion = 3

/** `ck_finish` by number; while a generation runs it has none. */
const finishes = [undefined, 'eos', 'length', 'stop', 'context'] as const
export type Finish = NonNullable<(typeof finishes)[number]>

/** `ck_info`. */
export interface ModelInfo {
  readonly name: string
  /** What it was compiled for, e.g. `x86-64-v4+avx512vnni`. */
  readonly target: string
  /** Width of a logits row. */
  readonly vocabulary: number
  /** Tokens that one sequence holds. */
  readonly context: number
  /** Sequences that one session holds. */
  readonly sequences: number
  readonly prefillTokens: number
  /** Logits rows per step. */
  readonly outputRows: number
  readonly weightsBytes: number
  /** Reserved per session. */
  readonly contextBytes: number
  readonly hasTokenizer: boolean
  /** -1: none. */
  readonly bos: number
  /** -1: none. */
  readonly eos: number
  /** Width of what an encoder gives for a text; 0: the model continues text. */
  readonly embedding: number
}

/** `ck_generation_options`. */
export interface GenerationSettings {
  readonly temperature: number
  readonly topK: number
  readonly topP: number
  readonly minP: number
  readonly repeatPenalty: number
  readonly repeatWindow: number
  readonly seed: bigint
  readonly tokens: number
  readonly stops: readonly string[]
  readonly ignoreEos: boolean
  readonly overflow: Overflow
  readonly keep: number
}

/** `ck_overflow`: what happens where a token does not fit the context. */
export type Overflow = 'refuse' | 'shift'

/** `ck_piece`. */
export interface Piece {
  /** The token; -1 where a long token's text goes on, or only the finish is told. */
  readonly id: number
  /** Whole characters; may be empty. */
  readonly text: string
  /** Why there are no further pieces; absent while there are. */
  readonly finish?: Finish
}

/** A part of a text for `ck_tokenize_parts`. */
export interface TextPart {
  readonly text: string
  /** Special tokens written in it become their ids; else they are text. */
  readonly special: boolean
}

/** ck.h with JavaScript's types. Functions that compute run on a thread of koffi and answer with a promise. */
export interface Library {
  /** `ck_program.abi`. */
  readonly abi: number
  readonly profile: ProfileLibrary
  readonly sequence: SequenceLibrary
  modelOpen(weightsPath: string): Promise<Answer<Pointer>>
  modelClose(model: Pointer): void
  modelInfo(model: Pointer): ModelInfo
  modelVerify(model: Pointer): Promise<Answer<void>>
  contextOpen(model: Pointer, threads: number): Answer<Pointer>
  contextClose(context: Pointer): void
  /** `embedding` [info.embedding] is written until the promise settles. */
  contextEmbed(context: Pointer, ids: Int32Array, embedding: Float32Array): Promise<Answer<void>>
  contextStop(context: Pointer): void
  contextPeek(context: Pointer, offset: number, bytes: number): Answer<Uint8Array>
  tokenize(model: Pointer, text: string, flags: number): Answer<Int32Array>
  tokenizeParts(model: Pointer, parts: readonly TextPart[], flags: number): Answer<Int32Array>
  detokenize(model: Pointer, ids: Int32Array, special: boolean): Answer<string>
  generationOpen(context: Pointer, sequence: number, ids: Int32Array, settings: GenerationSettings): Answer<Pointer>
  generationNext(generation: Pointer): Promise<Answer<Piece>>
  generationClose(generation: Pointer): void
}

/** Flags of `tokenize`. */
export const addSpecialFlag = 1
export const parseSpecialFlag = 2
/** Of `tokenizeParts`: other ids stand before. */
export const continuesFlag = 4

const infoType = koffi.struct({
  name: 'str',
  target: 'str',
  vocabulary: 'int64_t',
  context: 'int64_t',
  sequences: 'int64_t',
  prefill_tokens: 'int64_t',
  output_rows: 'int64_t',
  weights_bytes: 'uint64_t',
  context_bytes: 'uint64_t',
  has_tokenizer: 'int32_t',
  bos: 'int32_t',
  eos: 'int32_t',
  embedding: 'int64_t',
})

const samplingType = koffi.struct({
  temperature: 'float',
  top_k: 'int32_t',
  top_p: 'float',
  min_p: 'float',
  repeat_penalty: 'float',
  repeat_window: 'int32_t',
  seed: 'uint64_t',
})

const optionsType = koffi.struct({
  sampling: samplingType,
  tokens: 'int64_t',
  stops: 'const char **',
  stop_count: 'int32_t',
  ignore_eos: 'int32_t',
  sequence: 'int32_t',
  overflow: 'int32_t',
  keep: 'int64_t',
})

const pieceTextBytes = 1024
const pieceType = koffi.struct({
  id: 'int32_t',
  finish: 'int32_t',
  bytes: 'int64_t',
  text: koffi.array('uint8_t', pieceTextBytes),
})

/** A model's step runs on koffi's stack; koffi's own default of 128 KiB leaves little room for a kernel's tiles. */
const stackBytes = 1 << 20

/**
 * Loads libmodel.so. Refuses a file that the system cannot load, or that is no built model, or speaks another ABI, with
 * `run_folder_invalid`; `dir` is the folder that the message names.
 */
export function loadLibrary(path: string, dir: string): Library {
  enlargeStack()
  const library = open(path, dir)
  const abi = readAbi(library, dir)
  if (abi !== abiVersion) {
    fail('run_folder_invalid', { dir, what: `its engine ABI is ${abi}, and this version speaks ${abiVersion}` })
  }
  const native = (name: string, result: string, parameters: (string | TypeObject)[]) => {
    try {
      return library.func(name, result, parameters) as unknown as Native
    } catch (cause) {
      return fail('run_folder_invalid', { dir, what: `libmodel.so has no ${name} (${textOf(cause)})` })
    }
  }
  const any = 'void *'
  const modelOpen = native('ck_model_open', 'int', ['str', any, any])
  const modelClose = native('ck_model_close', 'void', [any])
  const modelInfo = native('ck_model_info', any, [any])
  const modelVerify = native('ck_model_verify', 'int', [any, any])
  const contextOpen = native('ck_context_open', 'int', [any, 'int32_t', any, any])
  const contextClose = native('ck_context_close', 'void', [any])
  const contextEmbed = native('ck_context_embed', 'int', [any, any, 'int64_t', any, any])
  const contextStop = native('ck_context_stop', 'void', [any])
  const contextPeek = native('ck_context_peek', 'int', [any, 'uint64_t', 'uint64_t', any, any])
  const tokenize = native('ck_tokenize', 'int', [any, any, 'int64_t', 'int32_t', any, 'int64_t', any, any])
  const texts = [any, any, any, 'int32_t', 'int32_t', any, 'int64_t', any, any]
  const tokenizeParts = native('ck_tokenize_parts', 'int', [any, ...texts])
  const detokenize = native('ck_detokenize', 'int', [any, any, 'int64_t', 'int32_t', any, 'int64_t', any, any])
  const options = koffi.pointer(optionsType)
  const generationOpen = native('ck_generation_open', 'int', [any, any, 'int64_t', options, any, any])
  const generationNext = native('ck_generation_next', 'int', [any, any, any])
  const generationClose = native('ck_generation_close', 'void', [any])

  return {
    abi,
    profile: bindProfile(native),
    sequence: bindSequences(native),
    async modelOpen(weightsPath) {
      const out = new BigUint64Array(1)
      return answerLater(modelOpen, [weightsPath, out], () => out[0]!)
    },
    modelClose: (model) => void modelClose(model),
    modelInfo: (model) => readInfo(modelInfo(model)),
    modelVerify: (model) => answerLater(modelVerify, [model], nothing),
    contextOpen(model, threads) {
      const out = new BigUint64Array(1)
      return answer(contextOpen, [model, threads, out], () => out[0]!)
    },
    contextClose: (context) => void contextClose(context),
    contextEmbed: (context, ids, embedding) =>
      answerLater(contextEmbed, [context, ids, ids.length, embedding], nothing),
    contextStop: (context) => void contextStop(context),
    contextPeek(context, offset, bytes) {
      const out = new Uint8Array(bytes)
      return answer(contextPeek, [context, offset, bytes, out], () => out)
    },
    tokenize(model, text, flags) {
      const bytes = Buffer.from(text, 'utf8')
      const call = (ids: Int32Array) => {
        const count = new BigInt64Array(1)
        const values = [model, bytes, bytes.length, flags, ids, ids.length, count]
        return answer(tokenize, values, () => Number(count[0]))
      }
      return fillTwice((size) => new Int32Array(size), bytes.length + 8, call)
    },
    tokenizeParts(model, parts, flags) {
      const pieces = parts.map(({ text }) => Buffer.from(text, 'utf8'))
      const bytes = Buffer.concat(pieces)
      let end = 0n
      const ends = BigInt64Array.from(pieces, ({ length }) => {
        end += BigInt(length)
        return end
      })
      const special = Int32Array.from(parts, (part) => Number(part.special))
      const call = (ids: Int32Array) => {
        const count = new BigInt64Array(1)
        const values = [model, bytes, ends, special, parts.length, flags, ids, ids.length, count]
        return answer(tokenizeParts, values, () => Number(count[0]))
      }
      return fillTwice((size) => new Int32Array(size), bytes.length + 8, call)
    },
    detokenize(model, ids, special) {
      const call = (text: Uint8Array) => {
        const bytes = new BigInt64Array(1)
        const values = [model, ids, ids.length, special ? 1 : 0, text, text.length, bytes]
        return answer(detokenize, values, () => Number(bytes[0]))
      }
      const filled = fillTwice((size) => new Uint8Array(size), 8 * ids.length + 8, call)
      return filled.status === 'ok' ? { status: 'ok', value: utf8.decode(filled.value) } : filled
    },
    generationOpen(context, sequence, ids, settings) {
      const out = new BigUint64Array(1)
      const options = nativeOptions(settings, sequence)
      return answer(generationOpen, [context, ids, ids.length, options, out], () => out[0]!)
    },
    generationNext(generation) {
      const piece = new Uint8Array(koffi.sizeof(pieceType))
      return answerLater(generationNext, [generation, piece], () => readPiece(piece))
    },
    generationClose: (generation) => void generationClose(generation),
  }
}

function enlargeStack(): void {
  if ((koffi.config().async_stack_size ?? 0) >= stackBytes) return
  try {
    koffi.config({ async_stack_size: stackBytes })
  } catch {
    // Another user of koffi in this process loaded a library before us, so its stack size stays; kernels fit it too.
  }
}

function open(path: string, dir: string): LibraryHandle {
  try {
    return koffi.load(path)
  } catch (cause) {
    return fail('run_folder_invalid', { dir, what: `libmodel.so cannot be loaded (${textOf(cause)})` })
  }
}

function readAbi(library: LibraryHandle, dir: string): number {
  try {
    return koffi.decode(library.symbol('ck_model_program'), 'uint32_t') as number
  } catch (cause) {
    return fail('run_folder_invalid', { dir, what: `libmodel.so is no built model (${textOf(cause)})` })
  }
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

/** A byte order mark is a character like any other here. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** Calls with a guessed size, and again where the answer is longer. */
function fillTwice<A extends Int32Array | Uint8Array>(
  allocate: (size: number) => A,
  guess: number,
  call: (into: A) => Answer<number>,
): Answer<A> {
  let into = allocate(guess)
  let filled = call(into)
  if (filled.status === 'ok' && filled.value > into.length) {
    into = allocate(filled.value)
    filled = call(into)
  }
  if (filled.status !== 'ok') return filled
  return { status: 'ok', value: into.subarray(0, filled.value) as A }
}

function readInfo(pointer: number | bigint): ModelInfo {
  const raw = koffi.decode(pointer, infoType) as { name: string; target: string } & Record<string, number | bigint>
  return {
    name: raw.name,
    target: raw.target,
    vocabulary: Number(raw.vocabulary),
    context: Number(raw.context),
    sequences: Number(raw.sequences),
    prefillTokens: Number(raw.prefill_tokens),
    outputRows: Number(raw.output_rows),
    weightsBytes: Number(raw.weights_bytes),
    contextBytes: Number(raw.context_bytes),
    hasTokenizer: raw.has_tokenizer === 1,
    bos: Number(raw.bos),
    eos: Number(raw.eos),
    embedding: Number(raw.embedding),
  }
}

function nativeOptions(settings: GenerationSettings, sequence: number): object {
  return {
    sampling: {
      temperature: settings.temperature,
      top_k: settings.topK,
      top_p: settings.topP,
      min_p: settings.minP,
      repeat_penalty: settings.repeatPenalty,
      repeat_window: settings.repeatWindow,
      seed: settings.seed,
    },
    tokens: settings.tokens,
    stops: settings.stops,
    stop_count: settings.stops.length,
    ignore_eos: settings.ignoreEos ? 1 : 0,
    sequence,
    overflow: settings.overflow === 'shift' ? 1 : 0,
    keep: settings.keep,
  }
}

function readPiece(piece: Uint8Array): Piece {
  const view = new DataView(piece.buffer)
  const bytes = Number(view.getBigInt64(koffi.offsetof(pieceType, 'bytes'), true))
  const text = koffi.offsetof(pieceType, 'text')
  const finish = finishes[view.getInt32(koffi.offsetof(pieceType, 'finish'), true)]
  return {
    id: view.getInt32(koffi.offsetof(pieceType, 'id'), true),
    text: utf8.decode(piece.subarray(text, text + bytes)),
    ...(finish ? { finish } : {}),
  }
}
