import { fail } from '../base/errors.ts'
import type { Chat } from '../run/session.ts'
import { loadConversation, saveConversation } from './chatConversation.ts'

/** How thinking is shown; `off`: the model is asked for none. */
export type Think = 'visible' | 'hidden' | 'off'

/** What commands change. */
export interface ChatState {
  readonly chat: Chat
  think: Think
  isOver: boolean
  /** Of the line that is being done. */
  signal: AbortSignal
  /** Shows a line to the person. */
  note(line: string): void
}

interface ChatCommand {
  readonly argument?: string
  readonly help: string
  run(state: ChatState, argument: string): void | Promise<void>
}

const thinks = { on: 'visible', visible: 'visible', hidden: 'hidden', off: 'off' } as const satisfies Record<
  string,
  Think
>

/** What a line that begins with / does. */
const commands: Readonly<Record<string, ChatCommand>> = {
  reset: { help: 'forget the conversation', run: ({ chat }) => chat.reset() },
  system: {
    argument: 'TEXT',
    help: 'say what the model is to be; without TEXT nothing',
    run({ chat }, text) {
      chat.system = text
    },
  },
  save: {
    argument: 'FILE',
    help: 'write the conversation',
    run: ({ chat }, path) => saveConversation(needed('/save', path), chat.messages),
  },
  load: {
    argument: 'FILE',
    help: 'go on with a conversation that was saved',
    run: ({ chat, signal }, path) => chat.load(loadConversation(needed('/load', path)), { signal }),
  },
  think: {
    argument: 'on|off|hidden',
    help: 'show what the model thinks, keep it from thinking, or hide it',
    run(state, how) {
      const found = Object.entries(thinks).find(([name]) => name === how)?.[1]
      setThink(state, found ?? fail('option_invalid', { option: '/think', found: how, accepted: 'on, off, hidden' }))
    },
  },
  stats: {
    help: 'what the last answer took',
    run: ({ chat, note }) => note(`${describeStats(chat)}; the session holds ${chat.position} tokens`),
  },
  help: { help: 'this list', run: ({ note }) => note(helpText()) },
  exit: {
    help: 'end',
    run(state) {
      state.isOver = true
    },
  },
}

/** Sets how thinking is shown. Refuses `option_invalid` where the template has no way to leave it out. */
export function setThink(state: ChatState, think: Think): void {
  const { contract } = state.chat.artifact
  const on = contract?.thinking && contract.shapes.on ? 'on' : undefined
  state.chat.thinking = think === 'off' ? 'off' : think === 'visible' ? on : undefined
  state.think = think
}

/** Runs the command in a line; false where the line is none. */
export async function runChatCommand(state: ChatState, line: string): Promise<boolean> {
  const { name = '', argument = '' } = /^\/(?<name>[a-z]+)(?: (?<argument>.*))?$/.exec(line)?.groups ?? {}
  const command = commands[name]
  if (!command) return false
  await command.run(state, argument)
  return true
}

/** What the last answer took, in a line. */
export function describeStats({ stats: { prompt, prefilled, forgotten, generated } }: Chat): string {
  const rewritten = forgotten > 0 ? `, ${forgotten} forgotten` : ''
  return `prompt of ${prompt} tokens: ${prompt - prefilled} held, ${prefilled} read anew${rewritten}; ${generated} drawn`
}

function helpText(): string {
  const rows = Object.entries(commands).map(
    ([name, { argument, help }]) => [`/${name}${argument ? ` ${argument}` : ''}`, help] as const,
  )
  const width = Math.max(...rows.map(([usage]) => usage.length))
  return rows.map(([usage, help]) => `${usage.padEnd(width)}  ${help}`).join('\n')
}

function needed(command: string, path: string): string {
  return path || fail('option_invalid', { option: command, found: '', accepted: 'the path of a file' })
}
