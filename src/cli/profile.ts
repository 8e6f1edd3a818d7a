import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { makeFolder } from '../base/makeFolder.ts'
import { writeBeside } from '../formats/writeBeside.ts'
import type { Model, Profile } from '../run/session.ts'
import { anyModel, defineCommand, type Io } from './command.ts'
import { given } from './given.ts'
import { openProfileBuild } from './openModel.ts'

export const profile = defineCommand({
  name: 'profile',
  summary:
    'Records one prefill and some decoded tokens call by call: a trace per thread, and stacks for a flame graph.',
  model: anyModel,
  options: [
    ...(['out', 'promptTokens', 'decodeTokens', 'threads'] as const),
    ...(['context', 'strict', 'target', 'json'] as const),
  ],
  required: ['out'],
  explanation: `Writes to the folder:
  trace.json      for Perfetto (ui.perfetto.dev) or chrome://tracing: a track per thread with steps, layers, kernel calls and
                  waits
  stacks.folded   nanoseconds of all threads per mode, layer, kernel and value, for flame graphs
Tokens decoded by default: 16.
`,
  examples: ['ck profile model.gguf -p 512 -n 16 -t 2 -o profile'],
  async run({ model: path, options, io }) {
    const { out = '', promptTokens = 512, decodeTokens = 16, threads, json } = options
    const choice = given({ context: options.context, strict: options.strict, target: options.target })
    const model = await openProfileBuild(path, choice, io)
    try {
      const tokens = promptTokens + decodeTokens
      if (tokens > model.info.context) fail('context_exceeded', { tokens, context: model.info.context })
      const counted = await record(model, { promptTokens, decodeTokens, ...given({ threads }) }, io)
      const { printTrace, printStacks, summarize, printSummary } = await import('./profileReport.ts')
      prepareFolder(out)
      writeText(join(out, 'trace.json'), printTrace(model.info.name, model.sites, counted))
      writeText(join(out, 'stacks.folded'), printStacks(model.sites, counted))
      const summary = { dir: out, ...summarize(model.sites, counted) }
      io.out(json ? `${JSON.stringify(summary, null, 1)}\n` : printSummary(summary))
      return 0
    } finally {
      await model.close()
    }
  },
})

interface Recording {
  readonly promptTokens: number
  readonly decodeTokens: number
  readonly threads?: number
}

/** Counts of a prefill and the decoding behind it; a run before them maps the weights. */
async function record(model: Model, { promptTokens, decodeTokens, threads }: Recording, io: Io): Promise<Profile> {
  const { drawIds } = await import('./measureRates.ts')
  const ids = drawIds(promptTokens + decodeTokens, model.info.vocabulary)
  const session = model.session(given({ threads }))
  const run = async () => {
    session.reset()
    await session.append(ids.subarray(0, promptTokens), { rows: 1, signal: io.signal })
    for (let at = promptTokens; at < ids.length; at++) {
      await session.append(ids.subarray(at, at + 1), { mode: 'decode', rows: 1, signal: io.signal })
    }
  }
  await run()
  session.resetProfile()
  await run()
  return session.profile()
}

function prepareFolder(dir: string): void {
  try {
    makeFolder(dir)
  } catch (error) {
    fail('write_failed', { path: dir, cause: error instanceof Error && 'code' in error ? String(error.code) : 'mkdir' })
  }
}

function writeText(path: string, text: string): void {
  writeBeside(path, (file) => file.append(Buffer.from(text, 'utf8')))
}
