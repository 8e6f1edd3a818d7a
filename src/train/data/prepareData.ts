import { createHash } from 'node:crypto'
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fail } from '../../base/errors.ts'
import { makeFolder } from '../../base/makeFolder.ts'
import { writeBeside } from '../../formats/writeBeside.ts'
import { cleanDocuments, pauses, surveyDocuments } from './cleanDocuments.ts'
import { type DataInfo, type DataOptions, type DataPart, dataFile, type PartInfo, tablesFile } from './dataInfo.ts'
import { collectFindings, type Report } from './findings.ts'
import type { DataTokenizer } from './openDataTokenizer.ts'
import { findInputs, type Input, type ReadOptions } from './readDocuments.ts'
import { splitDocuments } from './splitDocuments.ts'
import { tokenizeDocument } from './tokenizeDocument.ts'
import { writeParts } from './writeParts.ts'

/** What is done where nothing else is asked for. */
export const usualDataOptions: DataOptions = {
  separator: null,
  invalid: 'refuse',
  controls: 'remove',
  ascii: false,
  longest: 2 ** 28,
  validation: 0.05,
  split: 'end',
  seed: '1',
  addSpecial: false,
  endToken: false,
}

/** What `prepareData` needs besides paths. */
export interface PrepareSettings {
  readonly options?: Partial<DataOptions>
  /** Needed for text; ids may do without. */
  readonly tokenizer?: DataTokenizer
  readonly signal?: AbortSignal
  /** Told the share that is done. */
  readonly onProgress?: (done: number) => void
}

/**
 * Writes a data set of the given files to the folder `out`, whole or not at all; an earlier data set or an empty folder is
 * replaced, nothing else. The files are read twice, and one document at a time is held. The same input gives the same
 * bytes. Refuses `file_missing`, `file_malformed`, `tokenizer_missing`, `template_missing`, `template_failed`, `write_failed`.
 */
export async function prepareData(
  paths: readonly string[],
  out: string,
  { options: given = {}, tokenizer, signal, onProgress = () => {} }: PrepareSettings = {},
): Promise<DataInfo> {
  const options = { ...usualDataOptions, ...given }
  requireReplaceable(out)
  const reading: ReadOptions = { ...options, tokenizer: tokenizer?.sha256 ?? null }
  const inputs = findInputs(paths, reading)
  const vocabulary = vocabularyOf(inputs, tokenizer)
  const pause = pauses(inputs, signal, onProgress)
  const { findings, report } = collectFindings()

  const documents = (to: Report) => cleanDocuments(inputs, reading, options, to, pause)
  // Only when all is read is it known where the last share of the bytes begins.
  const { kept, bytes } = await surveyDocuments(documents(report), report)

  const partial = `${resolve(out)}.partial-${process.pid}`
  const whereWritten = orRefuse(out)
  whereWritten(() => {
    rmSync(partial, { recursive: true, force: true })
    makeFolder(partial)
  })
  try {
    const place = splitDocuments(options, bytes)
    const idBytes = vocabulary <= 2 ** 16 ? 2 : 4
    const parts = await writeParts(partial, idBytes, vocabulary, async (add) => {
      let index = 0
      for await (const { document } of documents(() => {})) {
        if (!kept[index++] || !document) continue
        for (const [part, piece] of place(document)) {
          const { ids, loss } = tokenizeDocument(piece, vocabulary, options, tokenizer)
          if (ids.length > 0) add(part, piece.bytes, ids, loss)
        }
      }
      if (index === kept.length) return
      const what = `${index} documents, and ${kept.length} when they were counted`
      fail('file_malformed', { path: paths.join(', '), what, accepted: 'files that nobody changes meanwhile' })
    })
    requireTokens(parts, options, paths)
    const info: DataInfo = {
      format: 1,
      tokenizer: tokenizer ? { sha256: tokenizer.sha256, template: templateHash(tokenizer) } : null,
      vocabulary,
      options,
      inputs: inputs.map(({ name, bytes, kind }) => ({ name, bytes, kind })),
      findings: findings(),
      ...parts,
    }
    if (tokenizer) writeBeside(join(partial, tablesFile), (file) => file.append(tokenizer.tables))
    writeBeside(join(partial, dataFile), (file) => file.append(Buffer.from(`${JSON.stringify(info, null, 1)}\n`)))
    whereWritten(() => {
      rmSync(resolve(out), { recursive: true, force: true })
      renameSync(partial, resolve(out))
    })
    return info
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
}

function templateHash({ chat }: DataTokenizer): string | null {
  return chat ? createHash('sha256').update(chat.template).digest('hex') : null
}

/** Without a tokenizer all inputs must be ids, and the largest vocabulary counts. */
function vocabularyOf(inputs: readonly Input[], tokenizer: DataTokenizer | undefined): number {
  if (tokenizer) return tokenizer.tokenizer.vocabulary
  const text = inputs.find(({ vocabulary }) => vocabulary === undefined)
  if (text) fail('tokenizer_missing', { path: text.path })
  return Math.max(...inputs.map(({ vocabulary = 0 }) => vocabulary))
}

function requireTokens(
  { train, validation }: { readonly [P in DataPart]: PartInfo },
  { validation: share, split }: DataOptions,
  paths: readonly string[],
): void {
  const path = paths.join(', ')
  if (train.tokens === 0) {
    fail('file_malformed', { path, what: 'nothing is left to train on', accepted: 'at least one document with text' })
  }
  if (share > 0 && validation.tokens === 0) {
    const other = split === 'documents' ? '--split end, ' : ''
    const accepted = `more documents, ${other}a larger --validation, or --validation 0`
    fail('file_malformed', { path, what: `no document falls to validation`, accepted })
  }
}

function requireReplaceable(out: string): void {
  const dir = resolve(out)
  const isFolder = statSync(dir, { throwIfNoEntry: false })?.isDirectory()
  if (isFolder === undefined) {
    orRefuse(out)(() => makeFolder(dirname(dir)))
    return
  }
  if (isFolder && (readdirSync(dir).length === 0 || existsSync(join(dir, dataFile)))) return
  fail('write_failed', { path: out, cause: 'something else than a data set is there' })
}

function orRefuse(path: string): <T>(action: () => T) => T {
  return (action) => {
    try {
      return action()
    } catch (error) {
      if (error instanceof Error && 'code' in error) fail('write_failed', { path, cause: String(error.code) })
      throw error
    }
  }
}
