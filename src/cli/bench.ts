import { availableParallelism } from 'node:os'
import { fail } from '../base/errors.ts'
import { anyModel, defineCommand } from './command.ts'
import { given } from './given.ts'
import { openModel } from './openModel.ts'

export const bench = defineCommand({
  name: 'bench',
  summary: 'Measures prefill and decode, and how near they come to what this machine can do. Builds as ck run does.',
  model: anyModel,
  options: [
    ...(['promptTokens', 'decodeTokens', 'depth', 'threadCounts', 'repeat', 'output', 'json'] as const),
    ...(['context', 'strict', 'cache', 'target'] as const),
  ],
  examples: ['ck bench model.gguf', 'ck bench model.gguf -p 512 -n 64 --depth 0,2048 -t 1,2 --json'],
  async run({ model: path, options, io }) {
    const { promptTokens = 512, decodeTokens = 128, depth: depths = [0], repeat = 5, output, json } = options
    const { threadCounts: threads = [Math.min(availableParallelism(), 64)], target, context, strict, cache } = options
    if (json && output === 'md')
      fail('option_invalid', { option: '--output', found: 'md', accepted: 'json with --json' })
    const configurations = { promptTokens, decodeTokens, depths, threads }
    const model = await openModel(path, given({ target, context, strict, cache }), io)
    try {
      const { info, dir } = model
      const tokens = Math.max(promptTokens, Math.max(...depths) + decodeTokens)
      if (tokens > info.context) fail('context_exceeded', { tokens, context: info.context })
      const { inspectRunFolder } = await import('./inspectRunFolder.ts')
      const { diagnose } = await import('../build/doctor.ts')
      const { measureRates } = await import('./measureRates.ts')
      const { benchRows, limitsOf, printBench } = await import('./benchReport.ts')
      const { programs, plan } = inspectRunFolder(dir).compiled()
      const limits = limitsOf(await diagnose({ signal: io.signal }), plan)
      const timings = await measureRates(model, configurations, repeat, io.signal)
      const rows = benchRows(timings, programs, plan, limits)
      const { name, target: builtFor } = info
      if (json || output === 'json') {
        const { context: held, weightsBytes } = info
        const report = { name, target: builtFor, context: held, weightsBytes, repeat, limits, results: rows }
        io.out(`${JSON.stringify(report, null, 1)}\n`)
      } else io.out(printBench(`${name} on ${builtFor}, ${repeat} rounds`, rows, limits))
      return 0
    } finally {
      await model.close()
    }
  },
})
