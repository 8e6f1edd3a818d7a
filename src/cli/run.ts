import { existsSync } from 'node:fs'
import { CkError, fail } from '../base/errors.ts'
import type { Finish, GenerateOptions, Model, Session } from '../run/session.ts'
import { anyModel, defineCommand, type Io } from './command.ts'
import { given } from './given.ts'
import { openModel } from './openModel.ts'
import type { OptionValues } from './options.ts'
import { readIds } from './readIds.ts'
import { readText } from './readText.ts'

const runOptions = [
  'prompt',
  'promptFile',
  'ids',
  'idsFile',
  'special',
  'echo',
  'tokens',
  'temp',
  'topK',
  'topP',
  'minP',
  'repeatPenalty',
  'seed',
  'stop',
  'ignoreEos',
  'overflow',
  'keep',
  'promptCache',
  'savePromptCache',
  'threads',
  'stats',
  'json',
] as const
type RunOptions = OptionValues<(typeof runOptions)[number]>

export const run = defineCommand({
  name: 'run',
  summary: 'Continues a prompt. Builds the model into a cache first where that was not done yet.',
  model: anyModel,
  options: [...runOptions, 'context', 'strict', 'cache', 'target'],
  examples: [
    'ck run model.gguf -p "Once upon a time" -n 100 --seed 1',
    'ck run model.gguf --temp 0 --json -p "The capital of France is"',
  ],
  async run({ model: path, options, io }) {
    const { target, context, strict, cache } = options
    const model = await openModel(path, given({ target, context, strict, cache }), io)
    try {
      return await continuePrompt(path, model, options, io)
    } finally {
      await model.close()
    }
  },
})

/** What a generation has given so far. */
interface Continuation {
  text: string
  readonly ids: number[]
  finish: Finish | 'interrupted'
  /** Milliseconds since the process began. */
  first: number | undefined
}

async function continuePrompt(path: string, model: Model, options: RunOptions, io: Io): Promise<number> {
  const prompt = promptOf(path, model, options)
  const session = model.session(given({ threads: options.threads }))
  const kept = await loadPromptCache(session, prompt.ids, options)
  const begin = performance.now()
  const made: Continuation = { text: '', ids: [], finish: 'interrupted', first: undefined }
  const show = options.json ? () => {} : io.out
  if (options.echo) show(prompt.text)
  try {
    for await (const piece of session.generate(prompt.ids.slice(kept), generateOptions(options, io))) {
      made.first ??= performance.now()
      show(model.info.hasTokenizer ? piece.text : piece.id < 0 ? '' : `${made.ids.length > 0 ? ' ' : ''}${piece.id}`)
      made.text += piece.text
      if (piece.id >= 0) made.ids.push(piece.id)
      if (piece.finish) made.finish = piece.finish
    }
  } catch (error) {
    if (!(error instanceof CkError && error.code === 'aborted')) throw error
  }
  show('\n')
  const end = performance.now()
  if (options.savePromptCache && options.promptCache !== undefined) await session.save(options.promptCache)
  if (options.json) io.out(`${JSON.stringify(reportOf(prompt.ids, kept, made, begin, end))}\n`)
  if (options.stats && options.promptCache !== undefined) {
    io.note(`prompt cache: ${kept} of ${prompt.ids.length} tokens`)
  }
  if (options.stats) for (const line of statsOf(prompt.ids.length - kept, made, begin, end)) io.note(line)
  return made.finish === 'interrupted' ? 130 : 0
}

/**
 * Makes the session hold what the saved tokens and the prompt begin with, and gives the number of its tokens. A file that is
 * still to be written may be missing.
 */
async function loadPromptCache(
  session: Session,
  ids: readonly number[],
  { promptCache, savePromptCache }: RunOptions,
): Promise<number> {
  if (promptCache === undefined) {
    const accepted = 'together with --prompt-cache'
    return savePromptCache
      ? fail('option_invalid', { option: '--save-prompt-cache', found: 'given alone', accepted })
      : 0
  }
  if (savePromptCache && !existsSync(promptCache)) return 0
  await session.load(promptCache)
  return session.match(ids.slice(0, -1))
}

/** The prompt's ids, and its text for --echo. */
function promptOf(
  path: string,
  model: Model,
  options: RunOptions,
): { readonly ids: readonly number[]; readonly text: string } {
  const { prompt, promptFile, ids, idsFile } = options
  const given = { '--prompt': prompt, '--prompt-file': promptFile, '--ids': ids, '--ids-file': idsFile }
  const names = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name]))
  const [first, second] = names
  if (first && second)
    fail('option_invalid', { option: second, found: 'given', accepted: `one prompt; ${first} is there too` })
  const listed = ids ?? (idsFile === undefined ? undefined : readIds(idsFile))
  if (listed) {
    return { ids: listed, text: model.info.hasTokenizer ? model.detokenize(listed) : `${listed.join(' ')} ` }
  }
  const text = prompt ?? (promptFile === undefined ? '' : readText(promptFile))
  const { bos, hasTokenizer } = model.info
  // The model itself would name its place in the cache.
  if (!hasTokenizer) fail('tokenizer_missing', { path })
  // Some models put no BOS in front of text, and must begin with something all the same.
  if (text === '' && bos >= 0) return { ids: [bos], text }
  return { ids: [...model.tokenize(text, { addSpecial: true, special: options.special ?? false })], text }
}

function generateOptions(options: RunOptions, io: Io): GenerateOptions {
  const {
    tokens,
    temp: temperature,
    topK,
    topP,
    minP,
    repeatPenalty,
    seed,
    stop: stops,
    ignoreEos,
    overflow,
    keep,
  } = options
  const { signal } = io
  return given({ tokens, temperature, topK, topP, minP, repeatPenalty, seed, stops, ignoreEos, overflow, keep, signal })
}

/** The object of --json. `cachedTokens` of the prompt were not computed again; `ids` are the drawn tokens; seconds: until the first token from the process's begin, and so on. */
function reportOf(prompt: readonly number[], cachedTokens: number, made: Continuation, begin: number, end: number) {
  const { text, ids, finish, first } = made
  return {
    text,
    ids,
    finish,
    promptTokens: prompt.length,
    cachedTokens,
    tokens: ids.length,
    seconds: {
      startToFirstToken: inSeconds(first ?? end),
      prompt: inSeconds((first ?? end) - begin),
      text: inSeconds(end - (first ?? end)),
    },
  }
}

function statsOf(promptTokens: number, { ids, first = 0 }: Continuation, begin: number, end: number): string[] {
  const rate = (count: number, from: number, to: number) =>
    `${count} tokens in ${inSeconds(to - from)} s (${((1000 * count) / (to - from)).toFixed(1)} per second)`
  if (ids.length === 0) return []
  const lines = [`start to first token: ${inSeconds(first)} s`, `prompt: ${rate(promptTokens, begin, first)}`]
  return ids.length > 1 ? [...lines, `text: ${rate(ids.length - 1, first, end)}`] : lines
}

function inSeconds(milliseconds: number): number {
  return Math.round(milliseconds) / 1000
}
