import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fail } from '../../base/errors.ts'
import { openFile, statPath } from '../../formats/byteSource.ts'
import { dataFile, dataParts, type InputKind, partFile, readDataInfo } from './dataInfo.ts'
import type { Document } from './document.ts'
import { readJsonLines } from './readJsonLines.ts'
import { hasTokenMagic, readPlainIds, readPreparedIds, sidecarOf } from './readTokenIds.ts'
import { splitBytes } from './splitBytes.ts'

/** How inputs are read. */
export interface ReadOptions {
  /** Text between documents in plain text; null: a file is one document, and running text. */
  readonly separator: string | null
  /** Bytes of the longest document. */
  readonly longest: number
  /** SHA-256 of the tokenizer's tables, hex: ids of another one are refused. Null: there is none. */
  readonly tokenizer: string | null
}

/** One file to read. */
export interface Input {
  readonly path: string
  readonly name: string
  readonly bytes: number
  readonly kind: InputKind
  /** Ids are below this; absent for text. */
  readonly vocabulary?: number
}

/**
 * The files that paths mean: a data set's two parts, else the file itself. `.jsonl` and `.ndjson` are JSON lines, `.bin` is
 * ids, everything else is text. Of a data set it is known whose ids it has; bare
 * ids are taken as they are. Refuses `file_missing`, `file_malformed`, and ids of another tokenizer.
 */
export function findInputs(paths: readonly string[], { tokenizer }: Pick<ReadOptions, 'tokenizer'>): readonly Input[] {
  let expected = tokenizer
  return paths.flatMap((path): readonly Input[] => {
    if (!statPath(path).isDirectory()) return [inputOf(path)]
    if (!existsSync(join(path, dataFile))) {
      const accepted = 'files, or folders that ck data prepare wrote'
      fail('file_malformed', { path, what: `a folder without ${dataFile}`, accepted })
    }
    const info = readDataInfo(path)
    const found = info.tokenizer?.sha256 ?? null
    if (expected !== null && found !== null && found !== expected) {
      fail('file_malformed', { path, what: 'its ids are of another tokenizer', accepted: 'ids of the same tokenizer' })
    }
    expected ??= found
    return dataParts.filter((part) => info[part].tokens > 0).map((part) => inputOf(join(path, partFile(part))))
  })
}

/** Whether some of the files are texts, which become ids by a tokenizer. Refuses as `findInputs`. */
export function hasTexts(paths: readonly string[]): boolean {
  return findInputs(paths, { tokenizer: null }).some(({ vocabulary }) => vocabulary === undefined)
}

function inputOf(path: string): Input {
  const source = openFile(path)
  try {
    const input = { path, name: basename(path), bytes: source.size }
    if (/\.(jsonl|ndjson)$/i.test(path)) return { ...input, kind: 'lines' }
    if (hasTokenMagic(source)) return { ...input, kind: 'prepared', vocabulary: readPreparedIds.vocabulary(source) }
    if (/\.bin$/i.test(path)) return { ...input, kind: 'ids', vocabulary: sidecarOf(path).vocabulary }
    return { ...input, kind: 'text' }
  } finally {
    source.close()
  }
}

/** The documents of an input in their order. Refuses `file_malformed`, with the line where it has lines. */
export function* readDocuments(input: Input, options: ReadOptions): Generator<Document, void, undefined> {
  if (input.kind === 'lines') yield* readJsonLines(input, options)
  else if (input.kind === 'prepared') yield* readPreparedIds.documents(input, options)
  else if (input.kind === 'ids') yield* readPlainIds(input, options)
  else yield* readText(input, options)
}

function* readText({ path, name }: Input, { separator, longest }: ReadOptions): Generator<Document, void, undefined> {
  const source = openFile(path)
  try {
    const isRunning = separator === null
    if (isRunning && source.size === 0) {
      yield { kind: 'text', place: { path, name, unit: 'byte', at: 0 }, text: '' }
    }
    const between = separator === null ? undefined : Buffer.from(separator, 'utf8')
    for (const { at, size, bytes } of splitBytes(source, between, longest)) {
      const place = { path, name, unit: 'byte', at } as const
      yield bytes ? { kind: 'bytes', place, bytes, isRunning } : { kind: 'long', place, bytes: size }
    }
  } finally {
    source.close()
  }
}
