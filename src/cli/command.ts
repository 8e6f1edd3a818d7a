import type { OptionName, OptionValues } from './options.ts'
import type { Progress } from './progress.ts'

/** What a command has of the outside world besides the file system. */
export interface Io {
  /** Writes to standard output. */
  out(text: string): void
  /** Writes a line to standard error. */
  note(line: string): void
  /** Aborted by Ctrl-C, by SIGTERM, and when nobody reads standard output any more. */
  readonly signal: AbortSignal
  /** Shows how far long work is; to be ended before anything else is written. */
  readonly progress: Progress
}

export interface Invocation<N extends OptionName> {
  /** The argument MODEL; empty for a command that takes none. */
  readonly model: string
  /** The second argument; empty for a command that takes none. */
  readonly output: string
  /** The arguments FILES; empty for a command that takes none. */
  readonly files: readonly string[]
  readonly options: OptionValues<N>
  readonly io: Io
}

/** One command of `ck`: what its help says, and what it does. */
export interface Command<N extends OptionName = OptionName> {
  /** One word, or two where several commands share the first: `data prepare`. */
  readonly name: string
  readonly summary: string
  /** What is accepted as MODEL; null: the command takes no argument. */
  readonly model: string | null
  /** MODEL is passed on as it was typed; else a name of the hub has become a path. */
  readonly isModelAsTyped?: true
  /** What the second argument is; absent: there is none. */
  readonly output?: string
  /** What the arguments FILES are, one or more, in place of MODEL; absent: there are none. */
  readonly files?: string
  readonly options: readonly N[]
  /** Options that must be given. */
  readonly required?: readonly N[]
  /** What the help says after the options, where their own texts are not enough. */
  readonly explanation?: string
  /** Command lines for the help. */
  readonly examples: readonly string[]
  /** Gives the exit code. */
  run(invocation: Invocation<N>): Promise<number>
}

/** A command with its options' types checked against the option table. Heavy modules are imported inside `run`. */
export function defineCommand<const N extends OptionName>(command: Command<N>): Command {
  return command as unknown as Command
}

/** What most commands accept as MODEL. */
export const anyModel =
  'a .gguf file, a transformers folder, a run folder that ck build wrote, or a model of the hub: hf://org/repo, ' +
  'hf://org/repo/file.gguf, org/repo:Q4_K_M'

/** What commands that read weights accept. */
export const anyCheckpoint =
  'a .gguf file, a transformers folder, or a model of the hub: hf://org/repo, hf://org/repo/file.gguf, org/repo:Q4_K_M'
