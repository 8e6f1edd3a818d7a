import { join } from 'node:path'
import { CkError, fail } from '../base/errors.ts'
import type { Tokenizer } from '../run/tokenizerLibrary.ts'
import { type DataPart, dataParts, partFile, readTables } from '../train/data/dataInfo.ts'
import type { Batch } from '../train/data/dataSet.ts'
import type { TokenFile } from '../train/data/tokenFile.ts'
import { defineCommand } from './command.ts'
import { printDataInfo } from './dataPrepare.ts'
import { printTable } from './printTable.ts'

export const dataInspect = defineCommand({
  name: 'data inspect',
  summary:
    'Shows what a data set holds: counts, what was cleaned, lengths of documents, and a batch as training sees it.',
  model: 'a folder that ck data prepare wrote',
  isModelAsTyped: true,
  options: ['batch', 'rows', 'rowTokens', 'seed', 'json'],
  explanation:
    'In the batch, tokens that are learnt stand between [[ and ]], and | is where a document begins. The files are read whole\n' +
    'and compared with their checksums.\n',
  examples: ['ck data inspect data/shakespeare', 'ck data inspect data/chats --batch 12 --rows 1 --row-tokens 256'],
  async run({ model: folder, options, io }) {
    const { batch: step = 0, seed = 1n, json } = options
    const { DataSet } = await import('../train/data/dataSet.ts')
    const { hashFile } = await import('../train/data/hashFile.ts')
    const data = DataSet.open(folder)
    try {
      for (const part of dataParts) {
        const path = join(folder, partFile(part))
        if (hashFile(path) === data.info[part].sha256) continue
        fail('file_malformed', { path, what: 'its content is not what was written', accepted: 'an undamaged file' })
      }
      // A small data set is shown too.
      const held = data.info.train.tokens
      const rowTokens = options.rowTokens ?? Math.min(64, held)
      const rows = options.rows ?? Math.max(1, Math.min(2, Math.floor(held / rowTokens)))
      const batches = data.batches({ batch: rows, tokens: rowTokens, seed: seedOf(seed) })
      const batch = batches.batchAt(step)
      const { epoch } = batches.stateAt(step)
      const tables = readTables(folder, data.info)
      const tokenizer = tables && (await openTables(tables, folder, io.signal))
      const lengths = { train: histogram(data.part('train')), validation: histogram(data.part('validation')) }
      const texts = Array.from({ length: rows }, (_, row) => rowText(batch, row, tokenizer))
      if (json) {
        const shown = { step, epoch, targets: batch.targetCount, rows: texts }
        io.out(`${JSON.stringify({ ...data.info, lengths, batch: shown }, null, 1)}\n`)
        return 0
      }
      io.out(`${printDataInfo(data.info)}\n${printLengths(lengths)}\n`)
      io.out(`batch ${step} of epoch ${epoch}: ${batch.targetCount} of ${batch.tokenCount} tokens have a target\n`)
      for (const [row, text] of texts.entries()) io.out(`row ${row}: ${text}\n`)
      return 0
    } finally {
      data.close()
    }
  },
})

function seedOf(seed: bigint): number {
  if (seed <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(seed)
  return fail('option_invalid', { option: '--seed', found: String(seed), accepted: 'a whole number below 2^53' })
}

async function openTables(tables: Uint8Array, folder: string, signal: AbortSignal): Promise<Tokenizer> {
  const { openTokenizer } = await import('../run/tokenizerLibrary.ts')
  return openTokenizer(tables, folder, signal)
}

/** Documents by length: at least so many tokens, and fewer than twice that. */
interface Bar {
  readonly tokens: number
  readonly documents: number
}

function histogram(file: TokenFile): readonly Bar[] {
  const counts = new Map<number, number>()
  for (const { tokens } of file.documents()) {
    const least = 2 ** Math.floor(Math.log2(tokens))
    counts.set(least, (counts.get(least) ?? 0) + 1)
  }
  return [...counts].map(([tokens, documents]) => ({ tokens, documents })).sort((a, b) => a.tokens - b.tokens)
}

const barWidth = 40

function printLengths(lengths: { readonly [P in DataPart]: readonly Bar[] }): string {
  const rows = dataParts.flatMap((part) => {
    const bars = lengths[part]
    const most = Math.max(...bars.map(({ documents }) => documents))
    return bars.map(({ tokens, documents }) => [
      ...[part, tokens, documents],
      '#'.repeat(Math.ceil((barWidth * documents) / most)),
    ])
  })
  return printTable([['part', 'tokens from', 'documents', ''], ...rows])
}

/** A row with its documents and what is learnt of it marked; ids where there is no tokenizer. */
function rowText(
  { tokens, ids, targets, starts, lengths }: Batch,
  row: number,
  tokenizer: Tokenizer | undefined,
): string {
  const base = row * tokens
  let out = ''
  let run: number[] = []
  let isOpen = false
  const flush = () => {
    out += tokenizer ? quoted(tokenizer, run) : run.join(' ')
    run = []
  }
  for (let i = 0; i < lengths[row]!; i++) {
    const begins = i > 0 && starts[base + i] === i
    // A token is learnt where the one before has it as target.
    const isLearnt = i > 0 && targets[base + i - 1]! >= 0
    if (begins || isLearnt !== isOpen) {
      flush()
      if (isOpen && !isLearnt) out += ']]'
      if (begins) out += '|'
      if (isLearnt && !isOpen) out += '[['
      isOpen = isLearnt
    }
    run.push(ids[base + i]!)
  }
  flush()
  return isOpen ? `${out}]]` : out
}

function quoted(tokenizer: Tokenizer, ids: readonly number[]): string {
  try {
    return JSON.stringify(tokenizer.decode(ids, { special: true })).slice(1, -1)
  } catch (error) {
    // A data set of ids alone may have a larger vocabulary than a tokenizer.
    if (!(error instanceof CkError)) throw error
    return ids.join(' ')
  }
}
