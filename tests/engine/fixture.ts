import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'
import { writeBump } from '../../src/formats/bump.ts'
import { compileTokenizer, type Piece, plainContract } from '../../src/tokenizer/tokenizer.ts'
import { engine, keptFolder } from './keptFolder.ts'

const here = fileURLToPath(new URL('.', import.meta.url))

export const vocabulary = 300
export const context = 64
export const lanes = 16
export const bos = 256
export const eos = 257
/** The id of the first of `pieces`. */
export const firstPiece = 258

export interface BuildOptions {
  /** `-D` definitions, e.g. `FIXTURE_DELAY_MS=5`. */
  readonly defines?: readonly string[]
  /** More compiler flags, e.g. `-fsanitize=thread`. */
  readonly flags?: readonly string[]
  /** C files of this folder to link in; a file with `main` makes an executable. Default: a shared library. */
  readonly program?: string
  /** Further C files to link in. */
  readonly others?: readonly string[]
}

/** A new empty folder for one test file. */
export interface Scratch {
  readonly path: string
  /** Compiles engine and fixture to `path` and returns it. The engine is compiled once for all files with the same flags. */
  build(path: string, options?: BuildOptions): string
  remove(): void
}

export function scratchFolder(): Scratch {
  const folder = mkdtempSync(join(tmpdir(), 'ck-engine-'))
  return {
    path: folder,
    build(path, { program, flags = [], defines = [], others = [] } = {}) {
      const common = ['-std=c11', '-O1', '-g1', '-fPIC', '-Wall', '-Wextra', '-Werror', `-I${engine}`, ...flags]
      const objects = engineObjects([...common, ...defines.filter((define) => define === noFutex).map(asFlag)])
      const sources = [join(here, 'fixture.c'), ...(program ? [program] : []), ...others]
      const kind = program ? [] : ['-shared']
      const output = ['-o', path, '-lm', '-lpthread']
      execFileSync('cc', [...common, ...defines.map(asFlag), ...kind, ...sources, ...objects, ...output])
      return path
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** The one definition that the engine itself knows: threads sleep on condition variables. */
export const noFutex = 'CK_NO_FUTEX'

const asFlag = (define: string) => `-D${define}`

function engineObjects(flags: readonly string[]): string[] {
  const sources = readdirSync(engine).filter((name) => name.endsWith('.c') && !/^(main|train)/.test(name))
  const objects = keptFolder(['cc', ...flags], [], (cwd) => {
    execFileSync('cc', [...flags, '-c', ...sources.map((name) => join(engine, name))], { cwd })
  })
  return sources.map((name) => join(objects, name.replace(/c$/, 'o')))
}

/** A C file of this folder, or the executable's main.c. */
export function source(name: 'exercise.c' | 'mutateTokens.c' | 'mutateWeights.c' | 'main.c'): string {
  return join(name === 'main.c' ? engine : here, name)
}

/** What the executable consists of besides main.c. */
export const mainParts: readonly string[] = readdirSync(engine)
  .filter((name) => /^main_.*\.c$/.test(name))
  .map((name) => join(engine, name))

export interface WeightsOptions {
  /** Ids that greedy generation gives after positions 0, 1, ... */
  readonly script?: readonly number[]
  /** The first position that `script` speaks of. Default 0. */
  readonly scriptFrom?: number
  /** Text of the ids from `firstPiece` on; null: a file without tokenizer. */
  readonly pieces?: readonly (string | Uint8Array)[] | null
  /** `tablesOf(pieces)`, where many files have the same. */
  readonly tables?: Uint8Array
}

/** Writes a weights file that fits fixture.c and returns its path. */
export function writeWeights(path: string, options: WeightsOptions = {}): string {
  const weights = new Uint8Array(vocabulary * lanes * 4 + context * 4)
  const view = new DataView(weights.buffer)
  for (let i = 0; i < vocabulary * lanes; i++) view.setFloat32(4 * i, ((i * 7919) % 1009) / 500 - 1, true)
  for (let p = 0; p < context; p++) {
    const id = options.script?.[p - (options.scriptFrom ?? 0)] ?? -1
    view.setInt32(vocabulary * lanes * 4 + 4 * p, id, true)
  }
  writeBump(path, {
    weightsId: Buffer.from('fixture fixture fixture fixture\0'),
    weightsBytes: weights.length,
    weights: [weights],
    ...(options.pieces === null ? {} : { tokenizer: options.tables ?? tablesOf(options.pieces ?? []) }),
  })
  return path
}

/** Writes the header's checksum again, after a change. */
export function sealed(file: Buffer): Buffer {
  file.writeUInt32LE(crc32(file.subarray(16, 128)), 12)
  return file
}

/**
 * A tokenizer of bytes: ids 0 .. 255 are bytes, then BOS, EOS and the pieces, which no text is cut into; `controls` of them
 * are special tokens.
 */
export function tablesOf(pieces: readonly (string | Uint8Array)[], controls: readonly string[] = []): Uint8Array {
  const isControl = (piece: string | Uint8Array) => controls.some((control) => control === piece)
  const text = (bytes: string | Uint8Array, type: Piece['type']): Piece => ({ bytes: Buffer.from(bytes), type })
  return compileTokenizer({
    ...plainContract,
    kind: 'bpe',
    path: 'fixture',
    pieces: [
      ...Array.from({ length: 256 }, (_, byte) => text(Uint8Array.of(byte), 'normal')),
      text('<bos>', 'control'),
      text('<eos>', 'control'),
      ...pieces.map((piece) => text(piece, isControl(piece) ? 'control' : 'unused')),
    ],
    stripPrefix: true,
    bos,
    eos,
    unknown: -1,
    addBos: true,
    addEos: false,
    ends: [eos],
  })
}
