import { createContext, Script } from 'node:vm'
import { fail } from '../base/errors.ts'
import type { Json } from '../formats/checkpoint.ts'
import { JinjaInterpreter, literalsOf, parseJinja, RenderLimitError } from './jinjaInterpreter.ts'
import { Environment, type Scope } from './jinjaValues.ts'
import { strftime } from './strftime.ts'

/** A message as templates see it; further fields (`tool_calls`, `reasoning_content`) pass through. */
export interface ChatMessage {
  readonly role: string
  readonly content: Json
  readonly [field: string]: Json
}

/** What a rendering is made of. */
export interface RenderInput {
  readonly messages: readonly ChatMessage[]
  /** JSON schemas of functions. */
  readonly tools?: readonly Json[]
  /** End with the beginning of an answer. Default false. */
  readonly addGenerationPrompt?: boolean
  /** Further variables of the template, such as `enable_thinking`. */
  readonly variables?: { readonly [name: string]: Json }
  /** Text of the token that begins, ends a text; absent: the template sees it undefined. */
  readonly bosToken?: string | undefined
  readonly eosToken?: string | undefined
  /** What `strftime_now` formats, or what it gives for a format; default: the time of the rendering. */
  readonly now?: Date | ((format: string) => string)
}

/** A chat template that was parsed. */
export interface ChatTemplate {
  readonly source: string
  /** The texts in its expressions, in their order: what it writes, and what it compares with. */
  readonly literals: readonly string[]
  /**
   * The text of a conversation, as `apply_chat_template(tokenize=False)` of transformers gives it. Refuses
   * `template_failed` with the template's own sentence where it raises one, and where it takes more than its bounds.
   */
  render(input: RenderInput): string
}

/** Longest template, in characters: parsing takes time with the square of runs of white space. */
const mostCharacters = 128 * 1024
/** Milliseconds for parsing and for each rendering: the bounds on steps end all that is not a single long operation. */
const mostMilliseconds = 600
const mostRange = 10_000

/** Parses a chat template; `path` names it in messages. Refuses `template_invalid`. */
export function compileChatTemplate(source: string, path: string): ChatTemplate {
  if (source.length > mostCharacters) {
    const what = `has ${source.length} characters`
    fail('template_invalid', { path, what, accepted: `at most ${mostCharacters}` })
  }
  const guard = timeGuard()
  const program = guarded(
    () => guard(() => parseJinja(source)),
    (what) =>
      fail('template_invalid', { path, what: `is no Jinja: ${what}`, accepted: 'a template that Jinja2 reads' }),
  )
  return {
    source,
    literals: literalsOf(program),
    render: (input) =>
      guarded(
        () =>
          guard(() => {
            const scope = environmentOf(input)
            return new JinjaInterpreter(scope, stepsFor(input)).evaluate(program, scope).value as string
          }),
        (what) => fail('template_failed', { path, what }),
      ),
  }
}

function environmentOf(input: RenderInput): Scope {
  const { messages, tools, addGenerationPrompt = false, variables, bosToken, eosToken, now } = input
  const environment = new Environment()
  const set = environment.set.bind(environment)
  for (const [name, value] of Object.entries({
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
  })) {
    set(name, value)
  }
  set('raise_exception', (message: unknown) => {
    throw new Error(String(message))
  })
  set('range', rangeOf)
  set('strftime_now', (format: string) =>
    typeof now === 'function' ? now(format) : strftime(now ?? new Date(), format),
  )
  const given = {
    messages,
    tools: tools ?? null,
    documents: null,
    add_generation_prompt: addGenerationPrompt,
    ...variables,
  }
  const tokens = { bos_token: bosToken, eos_token: eosToken }
  for (const [name, value] of Object.entries({ ...tokens, ...given })) if (value !== undefined) set(name, value)
  return environment
}

/** Published templates take some 50 steps a message. */
function stepsFor({ messages, tools = [] }: RenderInput): number {
  return 50_000 + 2_000 * (messages.length + tools.length)
}

function rangeOf(first: number, second?: number, step = 1): number[] {
  const [from, to] = second === undefined ? [0, first] : [first, second]
  const count = step === 0 ? 0 : Math.max(0, Math.ceil((to - from) / step))
  if (count > mostRange) throw new RenderLimitError(`walks a range of more than ${mostRange} numbers`)
  return Array.from({ length: count }, (_, i) => from + i * step)
}

function guarded<T>(action: () => T, refuse: (what: string) => never): T {
  try {
    return action()
  } catch (error) {
    // An error that crossed from the other context is no instance of our Error.
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
    const isLate = code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
    return refuse(isLate ? `takes more than ${mostMilliseconds} ms` : oneLine(String(message ?? error)))
  }
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 300 ? `${line.slice(0, 300)}...` : line
}

/** Runs an action that is stopped when its time is over, even inside a single operation. */
function timeGuard(): <T>(action: () => T) => T {
  const box: { action: () => unknown } = { action: () => undefined }
  const context = createContext(box)
  const script = new Script('action()')
  return (action) => {
    box.action = action
    return script.runInContext(context, { timeout: mostMilliseconds }) as ReturnType<typeof action>
  }
}
