import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Argument,
  argumentsOf,
  type CallResult,
  type KernelCall,
  type KernelRunner,
  orderOf,
  refuseWritten,
} from './kernelCall.ts'
import { testedKernels } from './probe.kernel.ts'

const names = testedKernels.map((kernel) => kernel.name)

/**
 * Runs calls in another process (an emulator, a sanitizer build), which starts with the first of them and takes one file of
 * calls after the other. Throws what it says where it dies.
 */
export function openDriver(command: readonly string[], lanes: number): KernelRunner {
  const folder = mkdtempSync(join(tmpdir(), 'ck-calls-'))
  let driver: Driver | undefined
  return {
    lanes,
    run(calls) {
      driver ??= startDriver(command, folder)
      writeFileSync(driver.calls, encode(calls, lanes))
      try {
        driver.answer()
      } catch (error) {
        driver = undefined
        throw error
      }
      return decode(calls, lanes, readFileSync(driver.results))
    },
    async close() {
      await driver?.end()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

interface Driver {
  /** The files that it reads and writes. */
  readonly calls: string
  readonly results: string
  /** Waits until the results are there. */
  answer(): void
  /** Waits for its end; a sanitizer may complain then. */
  end(): Promise<void>
}

/** Starts the driver with pipes that this thread can wait on; the end of the process is the end of what it answers. */
function startDriver([program = '', ...leading]: readonly string[], folder: string): Driver {
  const [calls, results, errors] = [join(folder, 'calls'), join(folder, 'results'), join(folder, 'errors')]
  const [requests, answers] = [pipeIn(folder, 'requests'), pipeIn(folder, 'answers')]
  const stderr = openSync(errors, 'w')
  const child = spawn(program, [...leading, calls, results], { stdio: [requests.out, answers.in, stderr] })
  const exit = exitOf(child)
  child.unref()
  for (const fd of [requests.out, answers.in, stderr]) closeSync(fd)
  const said = () => `the driver of the kernels died: ${readFileSync(errors, 'utf8')}`
  const hangUp = () => [requests.in, answers.out].forEach(closeSync)
  const byte = new Uint8Array(1)
  return {
    calls,
    results,
    answer() {
      try {
        writeSync(requests.in, byte)
        if (readSync(answers.out, byte) === 1) return
      } catch {
        // It died before it was asked.
      }
      hangUp()
      throw new Error(said())
    },
    async end() {
      hangUp()
      if ((await exit) !== 0) throw new Error(said())
    },
  }
}

/** Both ends of a pipe, which block. Opened for both ways it waits for nobody. */
function pipeIn(folder: string, name: string): { readonly in: number; readonly out: number } {
  const path = join(folder, name)
  rmSync(path, { force: true })
  execFileSync('mkfifo', [path])
  const both = openSync(path, constants.O_RDWR)
  const ends = { in: openSync(path, constants.O_WRONLY), out: openSync(path, constants.O_RDONLY) }
  closeSync(both)
  return ends
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(null))
    child.once('close', resolve)
  })
}

/** The file that driver.c describes. Equal arrays, which many calls share, are one blob. */
function encode(calls: readonly KernelCall[], lanes: number): Uint8Array {
  const blobs = new Map<Uint8Array, number>()
  const contents: Uint8Array[] = []
  const numbers: number[] = [calls.length]
  const blobOf = (bytes: Uint8Array) => {
    const known = blobs.get(bytes) ?? blobs.size
    if (known < blobs.size) return known
    blobs.set(bytes, known)
    contents.push(new Uint8Array(Float64Array.of(bytes.length).buffer), bytes, new Uint8Array(-bytes.length & 7))
    return known
  }
  for (const call of calls) {
    const args = argumentsOf(call, lanes)
    const order = orderOf(call)
    numbers.push(names.indexOf(call.kernel.name), call.parts ?? 1, order.length, ...order)
    numbers.push(...call.kernel.dims.map((dim) => call.dims[dim]!))
    numbers.push(...Object.keys(call.kernel.attributes).map((name) => call.attributes![name]!))
    for (const { name, initial, sameAs, readOnly } of args) {
      const layout = call.kernel.buffers[name]!.layout ?? 'rows'
      numbers.push(
        initial ? blobOf(initial) : -1,
        args.findIndex((other) => other.name === sameAs),
        layout === 'panels' || layout === 'panelPairs' ? 0 : 4,
        readOnly ? 1 : 0,
      )
    }
  }
  const bytesOf = (values: readonly number[]) => new Uint8Array(Float64Array.from(values).buffer)
  return Buffer.concat([bytesOf([blobs.size]), ...contents, bytesOf(numbers)])
}

function decode(calls: readonly KernelCall[], lanes: number, bytes: Uint8Array): CallResult[] {
  let at = 0
  const take = (count: number) => {
    at += count
    return new Uint8Array(bytes.subarray(at - count, at))
  }
  const afterOf = (call: KernelCall, { name, initial, readOnly }: Argument) => {
    if (!readOnly) return take(initial!.length)
    if (take(1)[0] !== 0) refuseWritten(call, name)
    return initial!
  }
  return calls.map((call) => {
    const buffers: { [name: string]: Uint8Array } = {}
    const scratch: typeof buffers = {}
    for (const argument of argumentsOf(call, lanes)) {
      if (!argument.initial) continue
      const after = afterOf(call, argument)
      const among = call.kernel.buffers[argument.name]!.scratch ? scratch : buffers
      among[argument.name] = after
    }
    return { buffers, scratch }
  })
}
