import { CommanderError } from 'commander'
import { CkError, type ErrorCode } from '../base/errors.ts'
import type { Io } from './command.ts'
import { createProgram } from './program.ts'
import { noProgress } from './progress.ts'

/** What `ck` ends with. */
export const exitCodes = { fine: 0, failed: 1, usage: 2, interrupted: 130, terminated: 143 } as const

/** Refusals of what was typed rather than of what was found. */
const usageErrors: readonly ErrorCode[] = ['option_invalid', 'target_unknown', 'hub_name_invalid']

/**
 * Runs `ck` with these parameters to its end and gives the exit code. What goes wrong is said in one sentence by `io.note`.
 * Where a program reads what is written, no progress is shown.
 */
export async function runCommandLine(parameters: readonly string[], io: Io): Promise<number> {
  let code: number = exitCodes.fine
  try {
    const program = createProgram(
      (isJson) => (isJson ? { ...io, progress: noProgress } : io),
      (result) => {
        code = result
      },
    )
    if (parameters.length === 0) {
      io.note(program.helpInformation().trimEnd())
      return exitCodes.usage
    }
    await program.parseAsync(parameters, { from: 'user' })
  } catch (error) {
    io.progress.end()
    code = report(error, io)
  }
  return code
}

/** Says what went wrong in one sentence and gives the exit code. */
function report(error: unknown, { note: say, signal }: Io): number {
  if (error instanceof CommanderError) return reportUsage(error, say)
  if (error instanceof CkError) {
    say(`ck: ${error.message}`)
    return usageErrors.includes(error.code) ? exitCodes.usage : exitCodes.failed
  }
  if (signal.aborted) return exitCodes.interrupted
  const text = error instanceof Error ? error.message : String(error)
  say(`ck: internal error: ${text}; please report it with the command (CK_DEBUG=1 prints where it happened)`)
  if (process.env.CK_DEBUG === '1' && error instanceof Error) say(error.stack ?? '')
  return exitCodes.failed
}

/** Commander's sentence in our form; help and version come here too, with exit code 0. */
function reportUsage(error: CommanderError, say: Io['note']): number {
  if (error.exitCode === 0) return exitCodes.fine
  // Of `ck help NAME` commander only says that it has printed the help.
  if (error.code === 'commander.help') {
    say('ck: there is no such command; ck --help lists what is accepted')
    return exitCodes.usage
  }
  const [sentence = '', hint] = error.message.replace(/^error: /, '').split('\n')
  const suggestion = hint ? ` (${hint.replace(/[()?]/g, '').replace('Did', 'did')}?)` : ''
  say(`ck: ${sentence.replace(/\.$/, '')}${suggestion}; --help lists what is accepted`)
  return exitCodes.usage
}
