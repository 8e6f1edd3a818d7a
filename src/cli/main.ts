#!/usr/bin/env node
import { CommanderError } from 'commander'
import { CkError, type ErrorCode } from '../base/errors.ts'
import type { Io } from './command.ts'
import { createProgram } from './program.ts'
import { createProgress, noProgress } from './progress.ts'

const exitCodes = { fine: 0, failed: 1, usage: 2, interrupted: 130, terminated: 143 } as const

/** Refusals of what was typed rather than of what was found. */
const usageErrors: readonly ErrorCode[] = ['option_invalid', 'target_unknown', 'hub_name_invalid']

async function main(parameters: readonly string[]): Promise<number> {
  const abort = new AbortController()
  let stopped: number | undefined
  const stop = (code: number) => {
    // The second request ends the process at once.
    if (stopped !== undefined) process.exit(code)
    stopped = code
    abort.abort()
  }
  process.on('SIGINT', () => stop(exitCodes.interrupted))
  process.on('SIGTERM', () => stop(exitCodes.terminated))
  // Nobody reads any more (`| head`): that is an end like any other.
  process.stdout.on('error', () => {
    if (stopped === undefined) stop(exitCodes.fine)
  })
  process.stderr.on('error', () => {})

  let code: number = exitCodes.fine
  const progress = createProgress()
  const ioFor = (isJson: boolean): Io => ({
    out: (text) => void process.stdout.write(text),
    note: say,
    signal: abort.signal,
    progress: isJson ? noProgress : progress,
  })
  try {
    const program = createProgram(ioFor, (result) => {
      code = result
    })
    if (parameters.length === 0) {
      say(program.helpInformation().trimEnd())
      return exitCodes.usage
    }
    await program.parseAsync(parameters, { from: 'user' })
  } catch (error) {
    progress.end()
    code = report(error, stopped !== undefined)
  }
  return stopped ?? code
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Says what went wrong in one sentence and gives the exit code. */
function report(error: unknown, isStopped: boolean): number {
  if (error instanceof CommanderError) return reportUsage(error)
  if (error instanceof CkError) {
    say(`ck: ${error.message}`)
    return usageErrors.includes(error.code) ? exitCodes.usage : exitCodes.failed
  }
  if (isStopped) return exitCodes.interrupted
  const text = error instanceof Error ? error.message : String(error)
  say(`ck: internal error: ${text}; please report it with the command (CK_DEBUG=1 prints where it happened)`)
  if (process.env.CK_DEBUG === '1' && error instanceof Error) say(error.stack ?? '')
  return exitCodes.failed
}

/** Commander's sentence in our form; help and version come here too, with exit code 0. */
function reportUsage(error: CommanderError): number {
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

process.exitCode = await main(process.argv.slice(2))
