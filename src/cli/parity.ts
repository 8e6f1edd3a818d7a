import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { CacheDtype } from '../ops/cacheWrite.ts'
import type { OpParity, ParityReport } from '../parity/compareTrace.ts'
import { defineCommand, type Io } from './command.ts'
import { given } from './given.ts'
import { checkIds, givenIds } from './givenIds.ts'
import { printTable } from './printTable.ts'

export const parity = defineCommand({
  name: 'parity',
  summary: 'Compares every op of the compiled model with its float64 reference, and names the first that diverges.',
  model: 'a .gguf file or a transformers folder',
  options: ['ids', 'idsFile', 'strict', 'cache', 'target', 'threads', 'json'],
  examples: ['ck parity model.gguf', 'ck parity model.gguf --ids 1,403,407 --json'],
  async run({ model: path, options, io }) {
    const report = await compare(path, givenIds(options), options, io)
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

/** Builds the model with a place for every value, runs one step over the ids, and compares. */
async function compare(
  path: string,
  ids: readonly number[] | undefined,
  { strict, cache, target: targetName, threads }: ParityOptions,
  io: Io,
): Promise<ParityReport> {
  const { compareTrace } = await import('../parity/compareTrace.ts')
  const { compile, planModel } = await import('../compile.ts')
  const { cacheFolder } = await import('../build/cacheFolder.ts')
  const { resolveTarget } = await import('../build/targets.ts')
  const { fail } = await import('../base/errors.ts')
  const { openCheckpoint } = await import('../formats/openCheckpoint.ts')
  const { load } = await import('../run/session.ts')
  const { readModel } = await import('../templates/readModel.ts')
  const checkpoint = openCheckpoint(path)
  const dir = join(cacheFolder(), `parity-${randomUUID()}`)
  try {
    const model = readModel(checkpoint)
    const { vocabulary, context } = model.sizes
    const tokens = ids ?? spreadIds(vocabulary, Math.min(defaultTokens, context))
    checkIds(tokens, vocabulary)
    if (tokens.length > context) fail('context_exceeded', { tokens: tokens.length, context })
    const target = resolveTarget(targetName)
    const size = { context: tokens.length, prefillTokens: tokens.length, trace: true }
    const options = { ...given({ strict, cache }), target: target.name, ...size }
    const { graph, source } = planModel(checkpoint, model, target, options)
    await compile(path, { ...options, out: dir, signal: io.signal, onProgress: io.progress.show })
    io.progress.end()
    const built = await load(dir)
    try {
      const session = built.session(given({ threads }))
      await session.logits(tokens, { signal: io.signal })
      return await compareTrace({
        ...{ checkpoint, model, graph, plan: source.plan, isa: target.isa, ids: tokens },
        program: source.programs[0]!,
        peek: async (offset, bytes) => session.peek(offset, bytes),
      })
    } finally {
      await built.close()
    }
  } finally {
    checkpoint.close()
    rmSync(dir, { recursive: true, force: true })
  }
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
