import type { CacheDtype } from '../ops/cacheWrite.ts'
import type { OpParity, ParityReport } from '../parity/compareTrace.ts'
import type { Model } from '../templates/readModel.ts'
import { anyCheckpoint, defineCommand, type Io } from './command.ts'
import { given } from './given.ts'
import { checkIds, givenIds } from './givenIds.ts'
import { printTable } from './printTable.ts'
import { withTraced } from './withTraced.ts'

export const parity = defineCommand({
  name: 'parity',
  summary: 'Compares every op of the compiled model with its float64 reference, and names the first that diverges.',
  model: anyCheckpoint,
  options: ['ids', 'idsFile', 'strict', 'cache', 'target', 'threads', 'json'],
  examples: ['ck parity model.gguf', 'ck parity model.gguf --ids 1,403,407 --json'],
  async run({ model: path, options, io }) {
    const { strict, cache, target, threads } = options
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
  const { fail } = await import('../base/errors.ts')
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
