import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'

const here = fileURLToPath(new URL('.', import.meta.url))
const engine = fileURLToPath(new URL('../../src/engine/', import.meta.url))

export const vocabulary = 300
export const context = 64
export const lanes = 16
export const bos = 256
export const eos = 257
/** The id of the first of `pieces`. */
export const firstPiece = 258

/** A new empty folder for one test file, and how to remove it. */
export function scratchFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'ck-engine-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export interface BuildOptions {
  /** `-D` definitions, e.g. `FIXTURE_DELAY_MS=5`. */
  readonly defines?: readonly string[]
  /** More compiler flags, e.g. `-fsanitize=thread`. */
  readonly flags?: readonly string[]
  /** C files of this folder to link in; a file with `main` makes an executable. Default: a shared library. */
  readonly program?: string
}

/** Compiles engine + fixture + byte tokenizer to `path`. */
export function build(path: string, options: BuildOptions = {}): string {
  const sources = readdirSync(engine).filter(
    (name) => name.endsWith('.c') && !name.startsWith('tokenizer') && name !== 'main.c',
  )
  execFileSync('cc', [
    '-std=c11',
    '-O1',
    '-g',
    '-Wall',
    '-Wextra',
    '-Werror',
    ...(options.program ? [] : ['-shared', '-fPIC']),
    ...(options.flags ?? []),
    ...(options.defines ?? []).map((define) => `-D${define}`),
    `-I${engine}`,
    ...sources.map((name) => join(engine, name)),
    join(here, 'fixture.c'),
    join(here, 'byteTokenizer.c'),
    ...(options.program ? [options.program] : []),
    '-o',
    path,
    '-lm',
    '-lpthread',
  ])
  return path
}

/** A C file of this folder, or the executable's main.c. */
export function source(name: 'exercise.c' | 'mutateWeights.c' | 'main.c'): string {
  return join(name === 'main.c' ? engine : here, name)
}

export interface WeightsOptions {
  /** Ids that greedy generation gives after positions 0, 1, ... */
  readonly script?: readonly number[]
  /** The first position that `script` speaks of. Default 0. */
  readonly scriptFrom?: number
  /** Text of the ids from `firstPiece` on; null: a file without tokenizer. */
  readonly pieces?: readonly (string | Uint8Array)[] | null
}

/** The bytes of a weights file that fits fixture.c. */
export function weightsFile(options: WeightsOptions = {}): Buffer {
  const weights = Buffer.alloc(vocabulary * lanes * 4 + context * 4)
  for (let i = 0; i < vocabulary * lanes; i++) weights.writeFloatLE(((i * 7919) % 1009) / 500 - 1, 4 * i)
  for (let p = 0; p < context; p++) {
    weights.writeInt32LE(options.script?.[p - (options.scriptFrom ?? 0)] ?? -1, vocabulary * lanes * 4 + 4 * p)
  }
  const tables = options.pieces === null ? Buffer.alloc(0) : tablesOf(options.pieces ?? [])
  const weightsOffset = 4096
  const tablesOffset = tables.length > 0 ? Math.ceil((weightsOffset + weights.length) / 4096) * 4096 : 0
  const file = Buffer.alloc(tables.length > 0 ? tablesOffset + tables.length : weightsOffset + weights.length)
  weights.copy(file, weightsOffset)
  tables.copy(file, tablesOffset)
  file.write('CKWEIGHT', 0)
  file.writeUInt32LE(1, 8)
  file.write('fixture fixture fixture fixture', 16)
  file.writeBigUInt64LE(BigInt(file.length), 48)
  file.writeBigUInt64LE(BigInt(weightsOffset), 56)
  file.writeBigUInt64LE(BigInt(weights.length), 64)
  file.writeUInt32LE(crc32(weights), 72)
  file.writeUInt32LE(crc32(tables), 76)
  file.writeBigUInt64LE(BigInt(tablesOffset), 80)
  file.writeBigUInt64LE(BigInt(tables.length), 88)
  return sealed(file)
}

/** Writes the header's checksum again, after a change. */
export function sealed(file: Buffer): Buffer {
  file.writeUInt32LE(crc32(file.subarray(16, 128)), 12)
  return file
}

/** Writes a weights file and returns its path. */
export function writeWeights(path: string, options: WeightsOptions = {}): string {
  writeFileSync(path, weightsFile(options))
  return path
}

function tablesOf(pieces: readonly (string | Uint8Array)[]): Buffer {
  const parts = [u32(pieces.length)]
  for (const piece of pieces) {
    const bytes = Buffer.from(piece)
    parts.push(u32(bytes.length), bytes)
  }
  return Buffer.concat(parts)
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
