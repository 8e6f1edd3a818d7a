import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../../base/errors.ts'
import { openFile } from '../../formats/byteSource.ts'
import { asJsonObject, isJsonObject, parseJson, readText } from '../../formats/parseJson.ts'
import type { Findings } from './findings.ts'
import type { TokenCounts } from './writeTokenFile.ts'

/** The parts of a data set: what is learnt, and what the learning is judged by. */
export const dataParts = ['train', 'validation'] as const
export type DataPart = (typeof dataParts)[number]

/** One part of a data set. */
export interface PartInfo extends TokenCounts {
  /** Of text in UTF-8; of ids in their file. */
  readonly bytes: number
  /** Of its file, hex. */
  readonly sha256: string
}

/** What an input is: plain text, JSON lines, ids of a data set, bare ids. */
export type InputKind = 'text' | 'lines' | 'prepared' | 'ids'

/** How a data set was made; every field has a value. */
export interface DataOptions {
  readonly separator: string | null
  readonly invalid: 'refuse' | 'repair'
  readonly controls: 'remove' | 'keep'
  readonly ascii: boolean
  /** Bytes of the longest document. */
  readonly longest: number
  /** Share of the whole. */
  readonly validation: number
  /** `end`: the last bytes; `documents`: whole ones, drawn by `seed`. */
  readonly split: 'end' | 'documents'
  /** In digits. */
  readonly seed: string
  readonly addSpecial: boolean
  readonly endToken: boolean
}

/** data.json of a data set. */
export interface DataInfo {
  readonly format: 1
  /** SHA-256, hex, of the tables that made the ids, which lie in tokenizer.bin, and of the chat template; null: none. */
  readonly tokenizer: { readonly sha256: string; readonly template: string | null } | null
  readonly vocabulary: number
  readonly options: DataOptions
  readonly inputs: readonly { readonly name: string; readonly bytes: number; readonly kind?: InputKind }[]
  readonly findings: Findings
  readonly train: PartInfo
  readonly validation: PartInfo
}

export const dataFile = 'data.json'
/** The tables of the tokenizer, in a data set that was made of text. */
export const tablesFile = 'tokenizer.bin'
export const partFile = (part: DataPart) => `${part}.bin`

const mostBytes = 16 * 2 ** 20

/** Reads and checks the outline of data.json. Refuses `file_missing` and `file_malformed`. */
export function readDataInfo(folder: string): DataInfo {
  const source = openFile(join(folder, dataFile))
  try {
    const json = parseJson(source.path, readText(source, mostBytes), 'the file')
    const object = asJsonObject(source.path, json, 'the file')
    const isCounted = ({ documents, tokens, bytes }: { readonly [key: string]: unknown }) =>
      [documents, tokens, bytes].every((count) => typeof count === 'number')
    const isInfo =
      object.format === 1 &&
      typeof object.vocabulary === 'number' &&
      [object.options, object.findings].every(isJsonObject) &&
      Array.isArray(object.inputs) &&
      dataParts.every((part) => isJsonObject(object[part]) && isCounted(object[part]))
    if (!isInfo) {
      const accepted = 'a data set that ck data prepare wrote (format 1)'
      fail('file_malformed', { path: source.path, what: 'says nothing of a data set', accepted })
    }
    return json as unknown as DataInfo
  } finally {
    source.close()
  }
}

/** Whether bytes of a data set are known to be those of texts. */
export function isOfTexts({ tokenizer, inputs }: DataInfo): boolean {
  return tokenizer !== null && inputs.every(({ kind }) => kind === 'text' || kind === 'lines')
}

/** The tokenizer's tables of a data set; undefined where it was made of ids. Refuses `file_missing`. */
export function readTables(folder: string, { tokenizer }: DataInfo): Uint8Array | undefined {
  const path = join(folder, tablesFile)
  if (tokenizer && !statSync(path, { throwIfNoEntry: false })) fail('file_missing', { path })
  return tokenizer ? readFileSync(path) : undefined
}
