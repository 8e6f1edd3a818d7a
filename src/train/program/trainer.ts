import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import koffi, { type LibraryHandle } from 'koffi'
import { CkError, fail } from '../../base/errors.ts'
import { answer, answerLater, type Native, nothing, type Pointer } from '../../run/native.ts'
import { openedOf, resultOf } from '../../run/refusal.ts'

/** CK_TRAINING_VERSION */
const trainingVersion = 2

/** `ck_training_buffer` and `ck_training_program` as they lie in the library, and what they are tables of. */
const bufferType = koffi.struct({ name: 'str', dtype: 'str', offset: 'uint64_t', bytes: 'uint64_t' })
const programType = koffi.struct({ name: 'str', function: 'void *' })
const trainingType = koffi.struct({
  version: 'uint32_t',
  name: 'str',
  target: 'str',
  cpu_features: 'void *',
  memory_bytes: 'uint64_t',
  buffers: 'void *',
  buffer_count: 'int32_t',
  programs: 'void *',
  program_count: 'int32_t',
})

interface Span {
  readonly dtype: string
  readonly offset: number
  readonly bytes: number
}

/**
 * A training program that `compileTraining` built, in this process. Everything it works on lies in its memory under the names
 * of the graph: weights, what the optimizer keeps of them, inputs, and the outputs of a step.
 *
 * @example
 * const trainer = Trainer.open('run', { threads: 2 })
 * trainer.values('token_embd.weight').set(table)
 * await trainer.refresh()
 * trainer.ids('ids').set(batch.ids)
 * await trainer.run('train')
 * console.log(trainer.values('loss')[0])
 * trainer.close()
 */
export class Trainer {
  /** What was compiled, for which target. */
  readonly name: string
  readonly target: string
  readonly memoryBytes: number
  /** The programs that `run` takes. */
  readonly programs: readonly string[]
  readonly #dir: string
  readonly #handle: Pointer
  readonly #memory: Pointer
  readonly #spans: ReadonlyMap<string, Span>
  readonly #views = new Map<string, ArrayBuffer>()
  readonly #run: Native
  readonly #close: Native
  #running: Promise<unknown> = Promise.resolve()
  #isClosed = false

  private constructor(library: LibraryHandle, dir: string, threads: number) {
    const training = readTraining(library, dir)
    this.#dir = dir
    this.name = training.name
    this.target = training.target
    this.memoryBytes = Number(training.memory_bytes)
    const buffers = koffi.decode(training.buffers, bufferType, training.buffer_count) as {
      name: string
      dtype: string
      offset: number
      bytes: number
    }[]
    this.#spans = new Map(
      buffers.map(({ name, dtype, offset, bytes }) => [name, { dtype, offset: Number(offset), bytes: Number(bytes) }]),
    )
    const programs = koffi.decode(training.programs, programType, training.program_count) as { name: string }[]
    this.programs = programs.map(({ name }) => name)
    const any = 'void *'
    const open = library.func('ck_trainer_open', 'int', ['int32_t', any, any]) as unknown as Native
    const memory = library.func('ck_trainer_memory', any, [any]) as unknown as Native
    this.#run = library.func('ck_trainer_run', 'int', [any, 'int32_t', any]) as unknown as Native
    this.#close = library.func('ck_trainer_close', 'void', [any]) as unknown as Native
    const out = new BigUint64Array(1)
    this.#handle = openedOf(
      answer(open, [threads, out], () => out[0]!),
      dir,
    )
    this.#memory = BigInt(koffi.address(memory(this.#handle)))
  }

  /**
   * Opens the run folder of a training. `threads`: 1 .. 64. Refuses a folder without libtrain.so, or with one of another
   * version, with `run_folder_invalid`; what the engine refuses, with its own sentence.
   */
  static open(dir: string, { threads }: { readonly threads: number }): Trainer {
    const path = join(resolve(dir), 'libtrain.so')
    if (!existsSync(path)) fail('run_folder_invalid', { dir, what: 'has no libtrain.so; ck train makes it' })
    return new Trainer(load(path, dir), dir, threads)
  }

  /** The names of all that lies in the memory between steps. */
  get names(): readonly string[] {
    return [...this.#spans.keys()]
  }

  has(name: string): boolean {
    return this.#spans.has(name)
  }

  /**
   * The numbers of a state, an input or an output in f32, where the program reads and writes them; until the trainer is
   * closed. Refuses `option_invalid` what is stored in another type, which `bytes` gives.
   */
  values(name: string): Float32Array {
    return new Float32Array(this.#view(name, 'f32'))
  }

  /** The same of whole numbers: ids, targets, positions, starts. */
  ids(name: string): Int32Array {
    return new Int32Array(this.#view(name, 'i32'))
  }

  /** All bytes of anything that lies in the memory, in whatever format it is. */
  bytes(name: string): Uint8Array {
    return new Uint8Array(this.#view(name))
  }

  /**
   * To be called where weights have been written from outside, before programs run: makes what they read in place of the weights
   * where training stores in fewer bits.
   */
  async refresh(): Promise<void> {
    if (this.programs.includes('copy')) await this.run('copy')
  }

  /** Runs a program once, on a thread of its own and those of the trainer; one at a time. */
  async run(program: string): Promise<void> {
    const index = this.programs.indexOf(program)
    if (index < 0) fail('option_invalid', { option: 'program', found: program, accepted: this.programs.join(', ') })
    this.#requireOpen()
    const step = this.#running.then(() => answerLater(this.#run, [this.#handle, index], nothing))
    this.#running = step.catch(nothing)
    resultOf(await step, program, this.#dir)
  }

  /** Waits for a step that runs, and gives the memory back; views of it must not be used any more. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#running
    this.#views.clear()
    this.#close(this.#handle)
  }

  #view(name: string, dtype?: string): ArrayBuffer {
    this.#requireOpen()
    const span = this.#spans.get(name)
    if (!span) return fail('option_invalid', { option: 'name', found: name, accepted: this.names.join(', ') })
    if (dtype && span.dtype !== dtype) {
      const accepted = `what is in ${dtype}, and not in ${span.dtype}: that bytes() gives`
      return fail('option_invalid', { option: 'name', found: name, accepted })
    }
    const known = this.#views.get(name)
    if (known) return known
    const view = koffi.view(this.#memory + BigInt(span.offset), span.bytes)
    this.#views.set(name, view)
    return view
  }

  #requireOpen(): void {
    if (this.#isClosed) fail('already_closed', { what: 'trainer' })
  }
}

function load(path: string, dir: string): LibraryHandle {
  try {
    return koffi.load(path)
  } catch (cause) {
    return fail('run_folder_invalid', { dir, what: `libtrain.so cannot be loaded (${textOf(cause)})` })
  }
}

interface Training {
  readonly version: number
  readonly name: string
  readonly target: string
  readonly memory_bytes: number | bigint
  readonly buffers: bigint
  readonly buffer_count: number
  readonly programs: bigint
  readonly program_count: number
}

function readTraining(library: LibraryHandle, dir: string): Training {
  try {
    const training = koffi.decode(library.symbol('ck_model_training'), trainingType) as Training
    if (training.version === trainingVersion) return training
    const what = `its program is of version ${training.version}, and this version speaks ${trainingVersion}`
    return fail('run_folder_invalid', { dir, what })
  } catch (cause) {
    if (cause instanceof CkError) throw cause
    return fail('run_folder_invalid', { dir, what: `libtrain.so is no training program (${textOf(cause)})` })
  }
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
