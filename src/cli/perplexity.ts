import { fail } from '../base/errors.ts'
import type { Estimate } from '../parity/tokenScore.ts'
import type { Model } from '../run/session.ts'
import { anyModel, defineCommand, type Io } from './command.ts'
import { fittingContext } from './fittingContext.ts'
import { given } from './given.ts'
import { isRunFolder, openModel } from './openModel.ts'
import type { OptionValues } from './options.ts'
import { printTable } from './printTable.ts'
import { readText } from './readText.ts'
import { resolveModel } from './resolveModel.ts'

const perplexityOptions = ['file', 'window', 'bos', 'klBase', 'threads', 'strict', 'cache', 'target', 'json'] as const
type PerplexityOptions = OptionValues<(typeof perplexityOptions)[number]>

export const perplexity = defineCommand({
  name: 'perplexity',
  summary: 'Scores a text: perplexity, bits per byte, and the KL divergence from a base model.',
  model: anyModel,
  options: perplexityOptions,
  required: ['file'],
  explanation: `What the figures are:
  The file's tokens are cut into windows without overlap, each read from an empty context. Each token of a window
  predicts the one that follows it in the text, so every token is scored once but the first (with --bos: the first too).
  nats per token  mean of -ln p(token), softmax in float64; perplexity is e to that power
  bits per byte   all scored tokens together, in bits, over all bytes of the file
  KL divergence   sum of p ln(p/q) per scored token in nats, p of the base and q of the model
  same top token  share of the scored tokens where both hold the same token likeliest
  After +- stands one standard error, as if tokens were independent.`,
  examples: [
    'ck perplexity model-q4_k_m.gguf --file text.txt',
    'ck perplexity model-q4_k_m.gguf --file text.txt --kl-base model-f16.gguf --window 256 --json',
  ],
  async run({ model: path, options, io }) {
    const { file = '', window, target, strict, cache, json } = options
    const klBase = options.klBase === undefined ? undefined : await resolveModel(options.klBase, io)
    const text = readText(file)
    if (text === '') fail('file_malformed', { path: file, what: 'the file is empty', accepted: leastText })
    const context = await contextFor(path, window)
    const baseContext = klBase === undefined ? undefined : await contextFor(klBase, window)
    const model = await openModel(path, given({ target, context, strict, cache }), io)
    try {
      const base = klBase === undefined ? undefined : await openBase(klBase, target, baseContext, io)
      try {
        const ids = idsOf(text, file, model, path)
        if (base && klBase !== undefined) refuseOther(base, klBase, model, ids, text)
        const report = await score({ model, base, ids, bytes: Buffer.byteLength(text) }, path, options, io)
        io.out(json ? `${JSON.stringify(report, null, 1)}\n` : printTable(rowsOf(report)))
        return 0
      } finally {
        await base?.close()
      }
    } finally {
      await model.close()
    }
  },
})

const defaultWindow = 512
/** Two scored tokens have a standard error. */
const leastTokens = 3
const leastText = `a text of at least ${leastTokens} tokens`

/** A window that a run folder cannot hold is refused when it is loaded. */
async function contextFor(path: string, window: number | undefined): Promise<number | undefined> {
  return window === undefined || isRunFolder(path) ? undefined : fittingContext(path, window)
}

/** The base is what others are measured by: computed in f32, where it is not built already. */
async function openBase(path: string, target: string | undefined, context: number | undefined, io: Io): Promise<Model> {
  return openModel(path, isRunFolder(path) ? {} : given({ target, context, strict: true as const }), io)
}

function idsOf(text: string, file: string, model: Model, path: string): Int32Array {
  // The model itself would name its place in the cache.
  if (!model.info.hasTokenizer) fail('tokenizer_missing', { path })
  const ids = model.tokenize(text)
  if (ids.length >= leastTokens) return ids
  return fail('file_malformed', {
    path: file,
    what: `the text is only ${ids.length} tokens`,
    accepted: leastText,
  })
}

function refuseOther(base: Model, path: string, model: Model, ids: Int32Array, text: string): void {
  const { vocabulary } = model.info
  const refuse = (found: string): never =>
    fail('option_invalid', {
      option: '--kl-base',
      found: `${path} (${found})`,
      accepted: "a checkpoint with the model's vocabulary and tokenizer",
    })
  if (base.info.vocabulary !== vocabulary) refuse(`${base.info.vocabulary} tokens; the model has ${vocabulary}`)
  if (!base.info.hasTokenizer) fail('tokenizer_missing', { path })
  const others = base.tokenize(text)
  const at = ids.findIndex((id, i) => others[i] !== id)
  if (at >= 0) refuse(`token ${at} of the text is ${others[at] ?? 'missing'}; the model's is ${ids[at]}`)
  if (others.length > ids.length) refuse(`the text is ${others.length} tokens; the model's are ${ids.length}`)
}

/** The object of --json. */
interface Report {
  readonly model: string
  /** Tokens read at a time. */
  readonly window: number
  readonly windows: number
  readonly textTokens: number
  readonly scoredTokens: number
  readonly bytes: number
  readonly natsPerToken: Estimate
  readonly perplexity: Estimate
  readonly bitsPerByte: Estimate
  readonly base?: {
    readonly model: string
    /** Nats per scored token. */
    readonly klDivergence: Estimate & { readonly median: number; readonly percentile99: number }
    /** Share, 0 to 1. */
    readonly topAgreement: Estimate
  }
}

interface Subject {
  readonly model: Model
  readonly base: Model | undefined
  readonly ids: Int32Array
  readonly bytes: number
}

async function score({ model, base, ids, bytes }: Subject, path: string, options: PerplexityOptions, io: Io) {
  const { scoreText } = await import('../parity/scoreText.ts')
  const { estimate, quantile } = await import('../parity/tokenScore.ts')
  const context = Math.min(model.info.context, base?.info.context ?? Number.POSITIVE_INFINITY)
  const { window = Math.min(defaultWindow, context), threads } = options
  if (window > context) fail('context_exceeded', { tokens: window, context })
  const bos = options.bos ? bosOf(model, path) : undefined
  const { signal, progress } = io
  const onProgress = (done: number) => progress.show('score', done)
  onProgress(0)
  const scores = await scoreText(model, ids, { window, signal, onProgress, ...given({ bos, base, threads }) })
  progress.end()
  const { nats, windows, fromBase } = scores
  const natsPerToken = estimate(nats)
  const value = Math.exp(natsPerToken.mean)
  const bitsPerNat = nats.length / bytes / Math.LN2
  const report: Report = {
    ...{ model: model.info.name, window, windows, textTokens: ids.length, scoredTokens: nats.length, bytes },
    natsPerToken,
    perplexity: { mean: value, standardError: value * natsPerToken.standardError },
    bitsPerByte: { mean: natsPerToken.mean * bitsPerNat, standardError: natsPerToken.standardError * bitsPerNat },
  }
  if (!base || !fromBase) return report
  const { divergence, agreement } = fromBase
  const klDivergence = {
    ...estimate(divergence),
    median: quantile(divergence, 0.5),
    percentile99: quantile(divergence, 0.99),
  }
  return { ...report, base: { model: base.info.name, klDivergence, topAgreement: estimate(agreement) } }
}

function bosOf({ info }: Model, path: string): number {
  if (info.bos >= 0) return info.bos
  const accepted = 'with a model that has such a token; this one begins with the text'
  return fail('option_invalid', { option: '--bos', found: path, accepted })
}

function rowsOf(report: Report): string[][] {
  const { scoredTokens, textTokens, windows, window, bytes, natsPerToken, bitsPerByte, base } = report
  const rows = [
    ['model', report.model],
    ['tokens', `${scoredTokens} scored of ${textTokens}, in ${windows} windows of ${window}`],
    ['nats per token', inDigits(natsPerToken, 4)],
    ['perplexity', inDigits(report.perplexity, 3)],
    ['bits per byte', `${inDigits(bitsPerByte, 4)} (${bytes} bytes)`],
  ]
  if (!base) return rows
  const { klDivergence, topAgreement } = base
  const { mean, standardError, median, percentile99 } = klDivergence
  const share = { mean: 100 * topAgreement.mean, standardError: 100 * topAgreement.standardError }
  return [
    ...rows,
    ['base', base.model],
    ['KL divergence', `${mean.toPrecision(4)} +- ${standardError.toPrecision(2)} nats`],
    ['', `median ${median.toPrecision(4)}, 99th percentile ${percentile99.toPrecision(4)}`],
    ['same top token', `${inDigits(share, 2)} %`],
  ]
}

function inDigits({ mean, standardError }: Estimate, digits: number): string {
  return `${mean.toFixed(digits)} +- ${standardError.toFixed(digits)}`
}
