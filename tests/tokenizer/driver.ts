import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { engine, keptFolder } from '../engine/keptFolder.ts'

const driver = fileURLToPath(new URL('driver.c', import.meta.url))

export interface Reply {
  readonly status: number
  readonly bytes: Buffer
}

/** The C tokenizer of one blob in a process of its own, built with ASan and UBSan. Every call runs a batch. */
export interface TokenizerDriver {
  encode(texts: readonly (string | Uint8Array)[], flags?: number): number[][]
  decode(ids: readonly (readonly number[])[], special?: boolean): Buffer[]
  pieces(ids: readonly (readonly number[])[], special?: boolean): Buffer[]
  facts(): { bos: number; eos: number; vocabulary: number; ends: number[] }
  /** Opens changed copies of the blob; `cut` is the size that is left. */
  mutate(cases: readonly { readonly cut: number; readonly changes: readonly (readonly [number, number])[] }[]): Reply[]
  /** As they come, with refusals. */
  request(requests: readonly Request[]): Reply[]
}

export interface Request {
  readonly operation: 'E' | 'D' | 'P' | 'I' | 'M'
  readonly argument: number
  readonly payload: Uint8Array
}

/** Encode flags, as in ck.h. */
export const addSpecial = 1
export const parseSpecial = 2

/**
 * Builds the driver once for all test files; `open` gives a driver per blob, `close` removes the blobs. `flags` come last and
 * so win.
 */
export function buildDriver(
  compiler = 'cc',
  flags: readonly string[] = [],
): { open(blob: Uint8Array): TokenizerDriver; close(): void } {
  const dir = mkdtempSync(join(tmpdir(), 'ck-tokenizer-'))
  const sources = readdirSync(engine).filter((name) => /^(tokenizer_\w+|refuse|utf8)\.c$/.test(name))
  const all = [
    ...['-std=c11', '-O1', '-g1', '-Wall', '-Wextra', '-Werror', `-I${engine}`],
    ...['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
    ...flags,
  ]
  const built = keptFolder([compiler, ...all], [driver], (folder) => {
    const paths = [...sources.map((name) => join(engine, name)), driver]
    execFileSync(compiler, [...all, ...paths, '-o', join(folder, 'driver')])
  })
  const program = join(built, 'driver')
  let blobs = 0
  return {
    open(blob) {
      const path = join(dir, `blob${blobs++}`)
      writeFileSync(path, blob)
      return driverOf(program, path)
    },
    close: () => rmSync(dir, { recursive: true, force: true }),
  }
}

function driverOf(program: string, blob: string): TokenizerDriver {
  const request = (requests: readonly Request[]): Reply[] => {
    const parts = requests.flatMap(({ operation, argument, payload }) => {
      const head = Buffer.alloc(9)
      head.write(operation, 'latin1')
      head.writeUInt32LE(argument, 1)
      head.writeUInt32LE(payload.length, 5)
      return [head, payload]
    })
    const run = spawnSync(program, [blob], { input: Buffer.concat(parts), maxBuffer: 2 ** 30 })
    if (run.status !== 0) throw new Error(`driver ended with ${run.status ?? run.signal}: ${run.stderr.toString()}`)
    const replies: Reply[] = []
    for (let at = 0; at < run.stdout.length; ) {
      const bytes = run.stdout.readUInt32LE(at + 4)
      replies.push({ status: run.stdout.readUInt32LE(at), bytes: run.stdout.subarray(at + 8, at + 8 + bytes) })
      at += 8 + bytes
    }
    if (replies.length !== requests.length) throw new Error(`${replies.length} replies to ${requests.length} requests`)
    return replies
  }
  const accepted = (requests: readonly Request[]): Buffer[] =>
    request(requests).map(({ status, bytes }) => {
      if (status !== 0) throw new Error(bytes.toString())
      return bytes
    })
  const ofIds = (operation: 'D' | 'P', ids: readonly (readonly number[])[], special: boolean) =>
    accepted(ids.map((row) => ({ operation, argument: Number(special), payload: idBytes(row) })))
  return {
    request,
    encode: (texts, flags = 0) =>
      accepted(
        texts.map((text) => ({ operation: 'E', argument: flags, payload: Buffer.from(text as Uint8Array) })),
      ).map(idsOf),
    decode: (ids, special = true) => ofIds('D', ids, special),
    pieces: (ids, special = true) => ofIds('P', ids, special),
    facts: () => {
      const [reply] = accepted([{ operation: 'I', argument: 0, payload: new Uint8Array(0) }])
      const [bos, eos, vocabulary, ...ends] = idsOf(reply!)
      return { bos: bos!, eos: eos!, vocabulary: vocabulary!, ends: ends.flatMap((end, id) => (end ? [id] : [])) }
    },
    mutate: (cases) =>
      request(
        cases.map(({ cut, changes }) => ({
          operation: 'M',
          argument: cut,
          payload: new Uint8Array(Uint32Array.from(changes.flat()).buffer),
        })),
      ),
  }
}

// A copy, since a reply may lie at any byte.
const idsOf = (bytes: Buffer) => Array.from(new Int32Array(new Uint8Array(bytes).buffer))

/** Ids as the driver reads them. */
export function idBytes(ids: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(ids).buffer)
}
