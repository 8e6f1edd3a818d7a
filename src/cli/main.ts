#!/usr/bin/env node
import { exitCodes, runCommandLine } from './commandLine.ts'
import { createProgress } from './progress.ts'

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
  const code = await runCommandLine(parameters, {
    out: (text) => void process.stdout.write(text),
    note: (line) => void process.stderr.write(`${line}\n`),
    signal: abort.signal,
    progress: createProgress(),
  })
  return stopped ?? code
}

process.exitCode = await main(process.argv.slice(2))
