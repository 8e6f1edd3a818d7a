import { fail } from '../base/errors.ts'
import type { Model } from '../run/session.ts'
import { klDivergence, logSumExp, topToken } from './tokenScore.ts'

/** How a text is scored. */
export interface ScoreOptions {
  /** Ids that the model reads at a time, each time from an empty session; at most its context. */
  readonly window: number
  /** A token put before the text and in the first place of every window; absent: none. */
  readonly bos?: number
  /** A model of the same vocabulary that reads the same ids. */
  readonly base?: Model
  readonly threads?: number
  /** Most logits rows held at once, per model; default: as many as 64 MiB hold. Changes no number. */
  readonly rows?: number
  readonly signal?: AbortSignal
  /** Told which share of the tokens is scored, 0 to 1. */
  readonly onProgress?: (done: number) => void
}

/** Scores of single tokens, in the order of the text. */
export interface TextScores {
  /** −ln of the probability that the model gave to each scored token. */
  readonly nats: Float64Array
  readonly windows: number
  readonly fromBase?: BaseScores
}

/** How a model's predictions differ from its base's, one value per scored token. */
export interface BaseScores {
  /** KL divergence base‖model in nats. */
  readonly divergence: Float64Array
  /** 1 where both hold the same token likeliest, else 0. */
  readonly agreement: Float64Array
}

const mostPieceValues = (64 * 2 ** 20) / Float32Array.BYTES_PER_ELEMENT

/**
 * Scores every token of a text but the first, which nothing precedes (with `bos`: the first too). The ids are cut into
 * windows without overlap; each position of a window predicts the id that follows it in the text, so that the last one
 * predicts the first id of the next window. Log-softmax in float64 from f32 logits.
 *
 * Refuses what `Session.append` refuses, and `engine_failed` where logits give no finite score.
 */
export async function scoreText(model: Model, ids: Int32Array, options: ScoreOptions): Promise<TextScores> {
  const { window, bos, base, signal, onProgress } = options
  const { vocabulary } = model.info
  const threads = options.threads === undefined ? {} : { threads: options.threads }
  const text = bos === undefined ? ids : withFirst(bos, ids)
  const count = Math.max(0, text.length - 1)
  const rows = options.rows ?? Math.max(1, Math.floor(mostPieceValues / vocabulary))
  const nats = new Float64Array(count)
  const fromBase = base && { divergence: new Float64Array(count), agreement: new Float64Array(count) }
  const session = model.session(threads)
  try {
    const baseSession = base?.session(threads)
    try {
      for (const { begin, end, isFirst } of piecesOf(count, window, rows)) {
        const piece = text.slice(begin, end)
        if (isFirst) {
          session.reset()
          baseSession?.reset()
          if (bos !== undefined) piece[0] = bos
        }
        const evaluation = { rows: piece.length, ...(signal ? { signal } : {}) }
        const logits = await session.append(piece, evaluation)
        const baseLogits = await baseSession?.append(piece, evaluation)
        for (let at = begin; at < end; at++) {
          const rowOf = (values: Float32Array) =>
            values.subarray((at - begin) * vocabulary, (at - begin + 1) * vocabulary)
          const row = rowOf(logits)
          const logSum = logSumExp(row)
          nats[at] = finite(logSum - row[text[at + 1]!]!, at, model)
          if (!baseLogits || !fromBase) continue
          const baseRow = rowOf(baseLogits)
          fromBase.divergence[at] = finite(klDivergence(baseRow, logSumExp(baseRow), row, logSum), at, model)
          fromBase.agreement[at] = topToken(baseRow) === topToken(row) ? 1 : 0
        }
        onProgress?.(end / count)
      }
    } finally {
      await baseSession?.close()
    }
  } finally {
    await session.close()
  }
  return { nats, windows: Math.ceil(count / window), ...(fromBase ? { fromBase } : {}) }
}

/** Positions of a text that are evaluated in one call. */
export interface Piece {
  readonly begin: number
  /** After the last one. */
  readonly end: number
  /** Whether a window begins here. */
  readonly isFirst: boolean
}

/** Cuts `count` positions into windows, and windows into pieces of at most `rows`. */
export function* piecesOf(count: number, window: number, rows: number): Generator<Piece, void, undefined> {
  for (let first = 0; first < count; first += window) {
    const last = Math.min(first + window, count)
    for (let begin = first; begin < last; begin += rows) {
      yield { begin, end: Math.min(begin + rows, last), isFirst: begin === first }
    }
  }
}

function withFirst(first: number, ids: Int32Array): Int32Array {
  const all = new Int32Array(ids.length + 1)
  all[0] = first
  all.set(ids, 1)
  return all
}

function finite(score: number, at: number, { info }: Model): number {
  if (Number.isFinite(score)) return score
  return fail('engine_failed', { what: `${info.name}: the logits at token ${at} of the text give no finite score` })
}
