import { fail } from '../base/errors.ts'
import type { CacheDtype } from '../ops/cacheWrite.ts'
import type { OpParity, ParityReport } from '../parity/compareTrace.ts'
import type { Model } from '../templates/readModel.ts'
import { anyCheckpoint, defineCommand, type Io } from './command.ts'
import { given } from './given.ts'
import { checkIds, givenIds } from './givenIds.ts'
import type { OptionValues } from './options.ts'
import { printTable } from './printTable.ts'
import { withTraced } from './withTraced.ts'

export const parity = defineCommand({
  name: 'parity',
  summary: 'Compares every op of the compiled model with its float64 reference, and names the first that diverges.',
  model: anyCheckpoint,
  options: ['train', 'ids', 'idsFile', 'against', 'strict', 'cache', 'target', 'threads', 'json'],
  explanation:
    'With --train: every op of its training program, forward and backward, and every gradient, against the float64 interpreter and\n' +
    'a file of other gradients; the file of ids is a JSON array of arrays of one length then.',
  examples: [
    'ck parity model.gguf',
    'ck parity model.gguf --ids 1,403,407 --json',
    'ck parity model.gguf --train --ids-file batch.json --against pytorch.safetensors',
  ],
  async run({ model: path, options, io }) {
    const { strict, cache, target, threads } = options
    if (options.train) return compareTraining(path, options, io)
    if (options.against !== undefined)
      fail('option_invalid', { option: '--against', found: options.against, accepted: 'with --train' })
    const report = await compare(path, givenIds(options), given({ strict, cache, target, threads }), io)
    const { describeDivergence } = await import('../parity/compareTrace.ts')
    const { firstDivergence, tokens, ops } = report
    if (options.json) io.out(`${JSON.stringify(report, null, 1)}\n`)
    else {
      io.out(printTable([['', 'op', 'own error', 'allowed', 'gathered NMSE', 'value'], ...ops.map(rowOf)]))
      const verdict = firstDivergence
        ? `first divergence: ${describeDivergence(firstDivergence)}`
        : `no divergence in ${ops.length} values over ${tokens} tokens`
      io.out(`${verdict}\n`)
    }
    return firstDivergence ? 1 : 0
  },
})

async function compareTraining(
  path: string,
  options: OptionValues<'ids' | 'idsFile' | 'against' | 'strict' | 'cache' | 'target' | 'threads' | 'json'>,
  io: Io,
): Promise<number> {
  const { ids, strict, cache, idsFile, against, target, threads } = options
  for (const [option, value] of Object.entries({ ids, strict, cache }))
    if (value !== undefined)
      fail('option_invalid', { option: `--${option}`, found: String(value), accepted: 'without --train' })
  const { isParity, parityOfTraining, printTrainingParity } = await import('./parityTraining.ts')
  const report = await parityOfTraining(path, given({ idsFile, against, target, threads }), io)
  io.out(options.json ? `${JSON.stringify(report, null, 1)}\n` : await printTrainingParity(report))
  return isParity(report) ? 0 : 1
}

interface ParityOptions {
  readonly strict?: true
  readonly cache?: CacheDtype
  readonly target?: string
  readonly threads?: number
}

/** Runs one step over the ids with a place for every value, and compares. */
async function compare(
  path: string,
  ids: readonly number[] | undefined,
  options: ParityOptions,
  io: Io,
): Promise<ParityReport> {
  const { compareTrace } = await import('../parity/compareTrace.ts')
  let tokens: readonly number[] = []
  const choose = ({ sizes: { vocabulary, context } }: Model) => {
    tokens = ids ?? spreadIds(vocabulary, Math.min(defaultTokens, context))
    checkIds(tokens, vocabulary)
    if (tokens.length > context) fail('context_exceeded', { tokens: tokens.length, context })
    return { ...options, context: tokens.length, step: tokens.length }
  }
  return withTraced(path, choose, io, async ({ session, built: _built, ...traced }) => {
    await session.logits(tokens, { signal: io.signal })
    return compareTrace({ ...traced, ids: tokens, peek: async (offset, bytes) => session.peek(offset, bytes) })
  })
}

const defaultTokens = 16

/** Ids from all over the vocabulary, the same every time. */
function spreadIds(vocabulary: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => (1 + i * 7919) % vocabulary)
}

function rowOf({ op, value, own, tolerance, isWithin, gathered }: OpParity): string[] {
  const isMean = tolerance.nmse !== undefined
  const error = isMean ? `${own.nmse.toExponential(1)} NMSE` : `${own.epsilons.toFixed(2)} eps`
  const allowed = isMean ? `${tolerance.nmse?.toExponential(1)} NMSE` : `${tolerance.relative} eps`
  return [isWithin ? 'ok' : 'OUT', op, error, allowed, gathered ? gathered.nmse.toExponential(1) : '', value]
}
