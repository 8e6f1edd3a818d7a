import { basename } from 'node:path'
import { fail } from '../base/errors.ts'
import type { ActivationSums } from '../quantize/importance.ts'
import type { Model } from '../templates/readModel.ts'
import { anyCheckpoint, defineCommand, type Io } from './command.ts'
import { given } from './given.ts'
import { readText } from './readText.ts'
import { type Traced, withTraced } from './withTraced.ts'

export const imatrix = defineCommand({
  name: 'imatrix',
  summary: 'Measures how much each column of each matrix counts on a text, for ck quantize --imatrix.',
  model: anyCheckpoint,
  options: ['file', 'out', 'window', 'bos', 'threads', 'strict', 'target', 'json'],
  required: ['file', 'out'],
  explanation: `What is written:
  The text's tokens are cut into windows without overlap, each read from an empty context; the last may be shorter. For the
  weights of every product, the sums of the squares of its input, per column, and the number of tokens: a GGUF file with the
  tensors NAME.in_sum2 and NAME.counts, as llama.cpp writes and reads it.`,
  examples: ['ck imatrix model-f16.gguf --file text.txt -o imatrix.gguf'],
  async run({ model: path, options, io }) {
    const { file = '', out = '', window, bos, threads, strict, target, json } = options
    const text = readText(file)
    const { writeImportance } = await import('../quantize/importance.ts')
    const choose = ({ sizes }: Model) => {
      const context = window ?? Math.min(defaultWindow, sizes.context)
      if (context > sizes.context) fail('context_exceeded', { tokens: context, context: sizes.context })
      return { ...given({ strict, target, threads }), context, step: Math.min(stepTokens, context) }
    }
    const gathered = await withTraced(path, choose, io, (traced) => gather(traced, text, { file, path, bos }, io))
    const { sums, chunks, tokens, chunkTokens } = gathered
    writeImportance(out, sums, { dataset: basename(file), chunks, chunkTokens })
    if (json) io.out(`${JSON.stringify({ path: out, matrices: sums.size, tokens, chunks, window: chunkTokens })}\n`)
    else io.out(`${out}: ${sums.size} matrices over ${tokens} tokens in ${chunks} windows of ${chunkTokens}\n`)
    return 0
  },
})

const defaultWindow = 512
/** Tokens whose values are held at a time: all values of a step have bytes of their own. */
const stepTokens = 64

interface Gathered {
  readonly sums: ReadonlyMap<string, ActivationSums>
  readonly chunks: number
  readonly tokens: number
  readonly chunkTokens: number
}

async function gather(
  { built, session, graph, program, plan, isa }: Traced,
  text: string,
  { file, path, bos }: { readonly file: string; readonly path: string; readonly bos: true | undefined },
  io: Io,
): Promise<Gathered> {
  const { addSquares, productsOf } = await import('../parity/activationSquares.ts')
  const { TraceReader } = await import('../parity/traceReader.ts')
  if (!built.info.hasTokenizer) fail('tokenizer_missing', { path })
  const ids = built.tokenize(text)
  if (ids.length === 0) fail('file_malformed', { path: file, what: 'the file is empty', accepted: 'a text' })
  const first = bos && built.info.bos
  if (first !== undefined && first < 0) {
    const accepted = 'with a model that has such a token; this one begins with the text'
    fail('option_invalid', { option: '--bos', found: path, accepted })
  }
  const products = productsOf(graph)
  const sums = new Map<string, ActivationSums>()
  const window = built.info.context
  for (let at = 0; at < ids.length; ) {
    const place = at % window
    const end = Math.min(at + stepTokens, at - place + window, ids.length)
    const piece = ids.slice(at, end)
    if (place === 0) {
      session.reset()
      if (first !== undefined) piece[0] = first
    }
    io.progress.show('measure', at / ids.length)
    await session.append(piece, { rows: piece.length, signal: io.signal })
    const peek = async (offset: number, bytes: number) => session.peek(offset, bytes)
    await addSquares(products, new TraceReader(graph, program, plan, isa, piece.length, peek), sums)
    at = end
  }
  io.progress.end()
  return { sums, chunks: Math.ceil(ids.length / window), tokens: ids.length, chunkTokens: window }
}
