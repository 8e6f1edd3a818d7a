import { availableParallelism } from 'node:os'
import { fail } from '../base/errors.ts'
import type { Model } from '../run/session.ts'
import { anyModel, defineCommand, type Io } from './command.ts'
import { given } from './given.ts'
import type { Configurations } from './measureRates.ts'
import { openModel, openProfileBuild } from './openModel.ts'

export const bench = defineCommand({
  name: 'bench',
  summary: 'Measures prefill and decode, and how near they come to what this machine can do. Builds as ck run does.',
  model: anyModel,
  options: [
    ...(['promptTokens', 'decodeTokens', 'depth', 'threadCounts', 'repeat', 'ops', 'vs', 'output', 'json'] as const),
    ...(['context', 'strict', 'cache', 'target'] as const),
  ],
  examples: [
    'ck bench model.gguf',
    'ck bench model.gguf -p 512 -n 64 --depth 0,2048 -t 1,2 --json',
    'ck bench model.gguf --ops -t 2',
    'ck bench model.gguf --vs llama.cpp',
  ],
  async run({ model: path, options, io }) {
    const { promptTokens = 512, decodeTokens = 128, depth: depths = [0], repeat = 5, output, json } = options
    const {
      threadCounts: threads = [Math.min(availableParallelism(), 64)],
      target,
      context,
      strict,
      cache,
      ops,
      vs,
    } = options
    if (json && output === 'md')
      fail('option_invalid', { option: '--output', found: 'md', accepted: 'json with --json' })
    if (vs) refuseUnlessShared(path, ops)
    const configurations = { promptTokens, decodeTokens, depths, threads }
    const choice = given({ target, context, strict, cache })
    const model = ops ? await openProfileBuild(path, choice, io) : await openModel(path, choice, io)
    try {
      const tokens = Math.max(promptTokens, Math.max(...depths) + decodeTokens)
      if (tokens > model.info.context) fail('context_exceeded', { tokens, context: model.info.context })
      const report = vs
        ? await benchVersus(model, path, configurations, repeat, io)
        : await (ops ? benchOps : benchSteps)(model, configurations, repeat, io)
      io.out(json || output === 'json' ? `${JSON.stringify(report.json, null, 1)}\n` : report.text)
      return 0
    } finally {
      await model.close()
    }
  },
})

/** Refuses what another engine cannot be given. */
function refuseUnlessShared(path: string, ops: true | undefined): void {
  if (ops) fail('option_invalid', { option: '--vs', found: 'given with --ops', accepted: 'one of the two' })
  if (!path.endsWith('.gguf'))
    fail('option_invalid', { option: 'MODEL', found: path, accepted: 'with --vs a .gguf file' })
}

/** A report in both its forms. */
interface Report {
  readonly json: object
  readonly text: string
}

async function benchSteps(model: Model, configurations: Configurations, repeat: number, io: Io): Promise<Report> {
  const { inspectRunFolder } = await import('./inspectRunFolder.ts')
  const { openGauge } = await import('./gauge.ts')
  const { measureRates } = await import('./measureRates.ts')
  const { arithmeticOfWeights, benchRows, printBench } = await import('./benchReport.ts')
  const { programs, plan } = inspectRunFolder(model.dir).compiled()
  const arithmetic = arithmeticOfWeights(plan)
  const gauge = await openGauge(['read', arithmetic], io.signal)
  try {
    const timings = await measureRates(model, configurations, repeat, gauge, io.signal)
    const results = benchRows(timings, programs, plan)
    const measured = { arithmetic, ...given({ reason: gauge.reason }) }
    return {
      json: { ...headOf(model, repeat), ...measured, results },
      text: printBench(titleOf(model, repeat), results, measured),
    }
  } finally {
    await gauge.close()
  }
}

async function benchOps(model: Model, configurations: Configurations, repeat: number, io: Io): Promise<Report> {
  const { inspectRunFolder } = await import('./inspectRunFolder.ts')
  const { openGauge } = await import('./gauge.ts')
  const { sitesOf } = await import('../plan/sites.ts')
  const { measureOps } = await import('./measureOps.ts')
  const { opTables, printOps } = await import('./opsReport.ts')
  const { programs, plan } = inspectRunFolder(model.dir).compiled()
  const sites = sitesOf(programs)
  const gauge = await openGauge(['read', 'int8', 'f32'], io.signal)
  try {
    const timings = await measureOps(model, sites, configurations, repeat, gauge, io.signal)
    const results = opTables(timings, sites, programs, plan)
    return {
      json: { ...headOf(model, repeat), ...given({ reason: gauge.reason }), results },
      text: printOps(titleOf(model, repeat), results, gauge.reason),
    }
  } finally {
    await gauge.close()
  }
}

async function benchVersus(
  model: Model,
  path: string,
  configurations: Configurations,
  repeat: number,
  io: Io,
): Promise<Report> {
  // The model has been loaded before: koffi's stack size can be set only until the first library.
  const { loadLlamaCpp } = await import('./peers/llamaCpp.ts')
  const peer = loadLlamaCpp()
  const { inspectRunFolder } = await import('./inspectRunFolder.ts')
  const { openGauge } = await import('./gauge.ts')
  const { measureVersus } = await import('./measureVersus.ts')
  const { arithmeticOfWeights } = await import('./benchReport.ts')
  const { printVersus, versusRows } = await import('./versusReport.ts')
  const { programs, plan } = inspectRunFolder(model.dir).compiled()
  const arithmetic = arithmeticOfWeights(plan)
  const gauge = await openGauge(['read', arithmetic], io.signal)
  const other = peer.openModel(path)
  try {
    const timings = await measureVersus(model, other, configurations, repeat, gauge, io.signal)
    const results = versusRows(timings, programs, plan)
    const measured = { arithmetic, ...given({ reason: gauge.reason }) }
    return {
      json: { ...headOf(model, repeat), peer: peer.name, ...measured, results },
      text: printVersus(titleOf(model, repeat), peer.name, results, measured),
    }
  } finally {
    other.close()
    await gauge.close()
  }
}

function headOf({ info: { name, target, context, weightsBytes } }: Model, repeat: number): object {
  return { name, target, context, weightsBytes, repeat }
}

function titleOf({ info: { name, target } }: Model, repeat: number): string {
  return `${name} on ${target}, ${repeat} round${repeat === 1 ? '' : 's'}`
}
