import { createInterface } from 'node:readline'
import { CkError, fail } from '../base/errors.ts'
import type { ChatOptions } from '../run/session.ts'
import { type ChatState, describeStats, runChatCommand, setThink } from './chatCommands.ts'
import { anyModel, defineCommand, type Io } from './command.ts'
import { given } from './given.ts'
import { isRunFolder, openModel } from './openModel.ts'
import { readText } from './readText.ts'

const samplingOptions = ['tokens', 'temp', 'topK', 'topP', 'minP', 'repeatPenalty', 'seed', 'stop'] as const

export const chat = defineCommand({
  name: 'chat',
  summary: 'Talks with a model by its chat template: on a terminal, or one turn per line of standard input.',
  model: anyModel,
  options: [
    ...(['system', 'think', 'template', 'verbose', 'threads'] as const),
    ...samplingOptions,
    ...(['context', 'strict', 'cache', 'target'] as const),
  ],
  explanation:
    'A line that begins with / is a command; /help lists them. Ctrl-C stops an answer, and at the prompt it ends.\n',
  examples: ['ck chat model.gguf', 'echo "What is a compiler?" | ck chat model.gguf --temp 0 --think hidden'],
  async run({ model: path, options, io }) {
    const { target, context, strict, cache, threads, system, think = 'visible', verbose } = options
    const template =
      options.template === undefined ? undefined : { path: options.template, text: readText(options.template) }
    if (!template && !isRunFolder(path)) await requireTemplate(path)
    const model = await openModel(path, given({ target, context, strict, cache }), io)
    try {
      const { tokens, temp: temperature, topK, topP, minP, repeatPenalty, seed, stop: stops } = options
      const sampling = given({ tokens, temperature, topK, topP, minP, repeatPenalty, seed, stops })
      const chatOptions: ChatOptions = { ...given({ template, system, threads }), sampling }
      const conversation = model.chat(chatOptions)
      const state: ChatState = { chat: conversation, think, isOver: false, signal: io.signal, note: io.note }
      if (options.think) setThink(state, think)
      return await converse(state, { io, isVerbose: verbose === true })
    } finally {
      await model.close()
    }
  },
})

/** Before anything is built for it. */
async function requireTemplate(path: string): Promise<void> {
  const { openCheckpoint } = await import('../formats/openCheckpoint.ts')
  const { defaultTemplate, readChatTemplates } = await import('../chat/readChatTemplate.ts')
  const checkpoint = openCheckpoint(path)
  try {
    if (!readChatTemplates(checkpoint.description, path).has(defaultTemplate)) fail('template_missing', { path })
  } finally {
    checkpoint.close()
  }
}

interface Surroundings {
  readonly io: Io
  readonly isVerbose: boolean
}

async function converse(state: ChatState, { io, isVerbose }: Surroundings): Promise<number> {
  const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true
  const lines = createInterface({
    input: process.stdin,
    ...(isTerminal ? { output: process.stdout } : {}),
    prompt: '> ',
  })
  let answering: AbortController | undefined
  lines.on('SIGINT', () => {
    if (answering) answering.abort()
    else lines.close()
  })
  io.signal.addEventListener('abort', () => lines.close())
  const taken = lines[Symbol.asyncIterator]()
  while (!state.isOver && !io.signal.aborted) {
    if (isTerminal) lines.prompt()
    const { value: line, done } = await taken.next()
    if (done) break
    if (line === '') continue
    answering = new AbortController()
    try {
      state.signal = AbortSignal.any([io.signal, answering.signal])
      if (await runChatCommand(state, line)) continue
      await answer(state, line, io, isTerminal)
      if (isVerbose) io.note(describeStats(state.chat))
    } catch (error) {
      // On a terminal a person reads the sentence and goes on; a script must not.
      if (!(error instanceof CkError) || !isTerminal || io.signal.aborted) throw error
      if (error.code !== 'aborted') io.note(`ck: ${error.message}`)
    } finally {
      answering = undefined
    }
  }
  lines.close()
  return 0
}

const dim = '\u001b[2m'
const plain = '\u001b[0m'

async function answer(
  { chat: conversation, think, signal }: ChatState,
  text: string,
  io: Io,
  isTerminal: boolean,
): Promise<void> {
  let isDim = false
  const shade = (wanted: boolean) => {
    if (isTerminal && wanted !== isDim) io.out(wanted ? dim : plain)
    isDim = wanted
  }
  try {
    for await (const piece of conversation.send(text, { signal })) {
      const isThinking = piece.kind === 'thinking'
      if (isThinking && think === 'hidden') continue
      if (piece.text !== '') shade(isThinking)
      io.out(piece.text)
    }
  } finally {
    shade(false)
    io.out('\n')
  }
}
