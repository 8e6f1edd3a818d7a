import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fail } from '../../base/errors.ts'
import { sourceFolder } from '../../base/packageRoot.ts'
import { cachedBinary } from '../../build/cachedBinary.ts'
import { runCommand } from '../../build/runCommand.ts'
import { writeBeside } from '../../formats/writeBeside.ts'
import { letterToByte } from '../../tokenizer/byteAlphabet.ts'
import { mostPieces } from '../../tokenizer/checkContract.ts'
import { compileTokenizer } from '../../tokenizer/compileTokenizer.ts'
import { readJsonTokenizer } from '../../tokenizer/readJsonTokenizer.ts'
import { baseContract, baseTexts, splitNames, wordSplit } from './baseVocabulary.ts'
import { grownTexts, type Merge, tokenizerJson } from './tokenizerJson.ts'

/** What a tokenizer is trained on, and how. */
export interface TokenizerTraining {
  /** UTF-8 texts; each line, with the newline that ends it, is cut into words by itself. */
  readonly files: readonly string[]
  /** Tokens at most, special ones and the 256 bytes among them. */
  readonly vocabulary: number
  /** A name of `splitNames`, or a pattern. */
  readonly split: string
  /** The first ids. Where they are written in the texts they are text like any other. */
  readonly special: readonly string[]
  /** The one of them that is set before every text; absent: none is. */
  readonly bos?: string
  /** A pair that stands in the texts less often does not join. */
  readonly minFrequency: number
  /** 1 .. 64; changes no bit of the result. */
  readonly threads: number
  readonly signal?: AbortSignal
}

/** What came of it. */
export interface TrainedTokenizer {
  /** Ids; fewer than asked for where no pair is left that stands there often enough. */
  readonly vocabulary: number
  readonly merges: number
  /** Of the files. */
  readonly bytes: number
  /** Distinct ones. */
  readonly words: number
}

/** Of more text than this only a sample is encoded and decoded at the end. */
const mostCheckedBytes = 2 ** 28

const here = join(sourceFolder, 'train', 'tokenizer')
const engine = join(sourceFolder, 'engine')

/**
 * Trains a byte-level BPE tokenizer and writes it to `path` as tokenizer.json: the vocabulary and merges that the Hugging
 * Face tokenizers library trains on the same files. What encoding and decoding the files does not give back is not
 * written. Refuses `option_invalid`, `file_missing`, `tokenizer_invalid` for the pattern, `engine_failed` for texts that
 * are not UTF-8 or that do not come back, and as `cachedBinary` and `writeBeside` do.
 */
export async function trainTokenizer(training: TokenizerTraining, path: string): Promise<TrainedTokenizer> {
  const split = wordSplit(training.split) ?? refuseSplit(training.split)
  const { special, bos } = training
  const texts = baseTexts(checkSpecial(special))
  checkBegin(bos, special)
  checkVocabulary(training.vocabulary, texts.length)
  const tables = compileTokenizer(baseContract(texts, new Set(special), split))
  const files = training.files.filter((file) => bytesOf(file) > 0)
  const program = await trainerProgram(training.signal)
  const folder = mkdtempSync(join(tmpdir(), 'ck-tokenizer-'))
  try {
    const run = async (task: string, blob: Uint8Array, values: readonly (number | string)[]): Promise<string> => {
      writeFileSync(join(folder, task), blob)
      const line = [program, task, join(folder, task), training.threads, ...values, ...files].map(String)
      const outcome = await runCommand(line, { cwd: process.cwd(), signal: training.signal })
      if (outcome.status === 'ended' && outcome.code === 0) return outcome.output
      return fail('engine_failed', {
        what: outcome.status === 'ended' ? outcome.output.trim() || 'the trainer was ended' : `${program} is missing`,
      })
    }
    const learnt = join(folder, 'merges')
    const output = await run('learn', tables, [training.vocabulary, training.minFrequency, learnt])
    const merges = readMerges(learnt)
    const grown = grownTexts(texts, merges)
    const json = tokenizerJson(grown, { special, merges, split, ...(bos === undefined ? {} : { bos }) })
    const contract = readJsonTokenizer({ tokenizer: JSON.parse(json) }, path)
    await run('check', compileTokenizer(contract), [mostCheckedBytes])
    writeBeside(path, (file) => file.append(Buffer.from(json)))
    const read: { bytes: number; words: number } = JSON.parse(output)
    return { vocabulary: grown.length, merges: merges.length, ...read }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function trainerProgram(signal: AbortSignal | undefined): Promise<string> {
  const own = readdirSync(here).filter((name) => name.endsWith('.c'))
  const shared = readdirSync(engine).filter((name) => /^(tokenizer_\w+|mapping|refuse|utf8)\.c$/.test(name))
  const sources = [
    ...own.toSorted().map((name) => join(here, name)),
    ...shared.toSorted().map((name) => join(engine, name)),
  ]
  return cachedBinary({ name: 'trainer', sources, includes: [engine], kind: 'program' }, signal)
}

function readMerges(path: string): readonly Merge[] {
  const bytes = readFileSync(path)
  const idAt = (index: number) => bytes.readUInt32LE(4 * index)
  return Array.from({ length: bytes.length / 12 }, (_, i) => [idAt(3 * i), idAt(3 * i + 1), idAt(3 * i + 2)])
}

function bytesOf(path: string): number {
  try {
    const status = statSync(path)
    return status.isFile() ? status.size : fail('file_missing', { path, cause: 'no regular file' })
  } catch (error) {
    if (error instanceof Error && 'syscall' in error && 'code' in error) {
      return fail('file_missing', { path, cause: String(error.code) })
    }
    throw error
  }
}

function refuseSplit(found: string): never {
  return fail('option_invalid', { option: '--split', found, accepted: `a pattern, or ${splitNames.join(', ')}` })
}

/** A letter of the byte alphabet stands for its byte: it cannot be a special token as well. */
function checkSpecial(special: readonly string[]): readonly string[] {
  const wrong = special.find((text, i) => text === '' || letterToByte.has(text) || special.indexOf(text) !== i)
  if (wrong === undefined) return special
  const accepted = 'different texts, none of them empty or a single letter'
  return fail('option_invalid', { option: '--special', found: wrong, accepted })
}

function checkBegin(bos: string | undefined, special: readonly string[]): void {
  if (bos === undefined || special.includes(bos)) return
  const accepted = special.length > 0 ? `one of --special: ${special.join(', ')}` : 'one of --special, which names none'
  fail('option_invalid', { option: '--bos', found: bos, accepted })
}

function checkVocabulary(vocabulary: number, least: number): void {
  if (vocabulary >= least && vocabulary <= mostPieces) return
  fail('option_invalid', {
    option: '--vocab',
    found: `${vocabulary}`,
    accepted: `${least} (256 bytes and the special tokens) to ${mostPieces}`,
  })
}
