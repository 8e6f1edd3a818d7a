import { join } from 'node:path'
import { fail } from '../../base/errors.ts'
import { type DataInfo, type DataPart, dataParts, partFile, readDataInfo } from './dataInfo.ts'
import { permutation } from './permutation.ts'
import { TokenFile } from './tokenFile.ts'

/** How a part is read. */
export interface BatchOptions {
  /** Default `train`. */
  readonly part?: DataPart
  /** Rows of a batch. */
  readonly batch: number
  /** Tokens of a row. */
  readonly tokens: number
  /** `shuffled`: rows in another order each epoch, for ever; `sequential`: once, as they lie. Default `shuffled`. */
  readonly order?: 'shuffled' | 'sequential'
  /** Of the shuffle, 0 .. 2^53 - 1. Default 1. */
  readonly seed?: number
}

/** Where training stands in its data; with the same options it is all that goes on needs. */
export interface DataState {
  readonly seed: number
  /** Of the batch's first row. */
  readonly epoch: number
  /** Batches that were taken. */
  readonly step: number
}

/** Rows of tokens, row-major. Documents lie behind one another; behind the last token of a part a row is empty. */
export interface Batch {
  readonly rows: number
  readonly tokens: number
  /** [rows, tokens]; 0 where a row is empty. */
  readonly ids: Int32Array
  /** [rows, tokens] the token that follows; -1 where it is not learnt, is of another document, or is not there. */
  readonly targets: Int32Array
  /** [rows, tokens] place in the token's document, as far as that lies in the row. */
  readonly positions: Int32Array
  /** [rows, tokens] place in the row of the first token that this one may attend to; its own where a row is empty. */
  readonly starts: Int32Array
  /** [rows] how many first tokens of a row are there. */
  readonly lengths: Int32Array
  /** Targets of at least 0: the weight of this batch among others. */
  readonly targetCount: number
  /** The sum of `lengths`. */
  readonly tokenCount: number
}

/**
 * A folder that `ck data prepare` wrote, open for training. Tokens are read when a batch asks for them.
 *
 * @example
 * const data = DataSet.open('data/shakespeare')
 * const batches = data.batches({ batch: 16, tokens: 128, seed: 7 })
 * const { ids, targets } = batches.batchAt(step)
 */
export class DataSet {
  readonly folder: string
  readonly info: DataInfo
  readonly #files: { readonly [P in DataPart]: TokenFile }

  private constructor(folder: string, info: DataInfo, files: { readonly [P in DataPart]: TokenFile }) {
    this.folder = folder
    this.info = info
    this.#files = files
  }

  /** Opens a data set and checks that its files are whole. Refuses `file_missing`, `file_malformed`. */
  static open(folder: string): DataSet {
    const info = readDataInfo(folder)
    const files = new Map<DataPart, TokenFile>()
    try {
      for (const part of dataParts) files.set(part, openPart(folder, part, info))
      return new DataSet(folder, info, { train: files.get('train')!, validation: files.get('validation')! })
    } catch (error) {
      for (const file of files.values()) file.close()
      throw error
    }
  }

  /** The tokens of a part. */
  part(part: DataPart): TokenFile {
    return this.#files[part]
  }

  /** Refuses ids that a model of this vocabulary does not have, with `file_malformed`. */
  requireVocabulary(vocabulary: number): void {
    if (this.info.vocabulary <= vocabulary) return
    const what = `its ids go up to ${this.info.vocabulary - 1}`
    fail('file_malformed', { path: this.folder, what, accepted: `ids of the model, 0 to ${vocabulary - 1}` })
  }

  /**
   * A part in batches. Refuses `option_invalid` for sizes that are no whole numbers, and `file_malformed` for a part that is
   * shuffled and has not the tokens of a batch, or has none.
   */
  batches(options: BatchOptions): Batches {
    return new Batches(this.#files[options.part ?? 'train'], this.folder, options)
  }

  close(): void {
    for (const part of dataParts) this.#files[part].close()
  }
}

function openPart(folder: string, part: DataPart, info: DataInfo): TokenFile {
  const path = join(folder, partFile(part))
  const file = TokenFile.open(path)
  const { tokens, documents, vocabulary } = file.header
  const isSame = tokens === info[part].tokens && documents === info[part].documents && vocabulary === info.vocabulary
  if (isSame) return file
  file.close()
  const what = `${tokens} tokens of ${documents} documents, vocabulary ${vocabulary}`
  const accepted = `${info[part].tokens} of ${info[part].documents}, vocabulary ${info.vocabulary}, as data.json says`
  return fail('file_malformed', { path, what, accepted })
}

type Rows = Pick<Batch, 'ids' | 'targets' | 'positions' | 'starts' | 'lengths'>

/** The batches of a part. Windows of `tokens` tokens are its rows: each token is in one row of an epoch. */
export class Batches {
  /** Rows of an epoch. */
  readonly rowsPerEpoch: number
  /** `sequential`: all there are; `shuffled`: rounded up, as a batch may begin in one epoch and end in the next. */
  readonly batchesPerEpoch: number
  readonly #file: TokenFile
  readonly #batch: number
  readonly #tokens: number
  readonly #seed: number
  readonly #isShuffled: boolean

  /** Use `DataSet.batches`. `path` is for messages. */
  constructor(file: TokenFile, path: string, { part = 'train', batch, tokens, order, seed = 1 }: BatchOptions) {
    this.#file = file
    this.#batch = whole('batch', batch, 1)
    this.#tokens = whole('tokens', tokens, 1)
    this.#seed = whole('seed', seed, 0)
    this.#isShuffled = order !== 'sequential'
    const held = file.header.tokens
    const least = this.#isShuffled ? batch * tokens : 1
    if (held < least) {
      const what = `${part} has ${held} tokens, fewer than a batch of ${batch} rows of ${tokens}`
      fail('file_malformed', { path, what, accepted: `at least ${least} tokens, or a smaller batch` })
    }
    this.rowsPerEpoch = Math.ceil(held / tokens)
    this.batchesPerEpoch = Math.ceil(this.rowsPerEpoch / batch)
  }

  /** Where training stands before batch `step`. */
  stateAt(step: number): DataState {
    whole('step', step, 0)
    const epoch = this.#isShuffled ? Math.floor((step * this.#batch) / this.rowsPerEpoch) : 0
    return { seed: this.#seed, epoch, step }
  }

  /**
   * Batch `step`, from 0. It depends on the files, the options and `step` alone. Shuffled batches have all their rows;
   * sequential ones have empty rows behind the end.
   */
  batchAt(step: number): Batch {
    whole('step', step, 0)
    const [rows, tokens] = [this.#batch, this.#tokens]
    const size = rows * tokens
    const out = {
      ids: new Int32Array(size),
      targets: new Int32Array(size).fill(-1),
      positions: new Int32Array(size),
      starts: new Int32Array(size),
      lengths: new Int32Array(rows),
    }
    let targetCount = 0
    let tokenCount = 0
    const shuffles = new Map<number, (index: number) => number>()
    for (let row = 0; row < rows; row++) {
      const index = step * rows + row
      const epoch = Math.floor(index / this.rowsPerEpoch)
      const place = index % this.rowsPerEpoch
      const isThere = this.#isShuffled || epoch === 0
      const shuffle = shuffles.get(epoch) ?? permutation(this.rowsPerEpoch, this.#seed, epoch)
      shuffles.set(epoch, shuffle)
      const window = this.#isShuffled ? shuffle(place) : place
      targetCount += this.#fillRow(isThere ? window : this.rowsPerEpoch, row, out)
      tokenCount += out.lengths[row]!
    }
    return { rows, tokens, ...out, targetCount, tokenCount }
  }

  /** Writes a window into a row, and gives the number of its targets. */
  #fillRow(window: number, row: number, { ids, targets, positions, starts, lengths }: Rows): number {
    const tokens = this.#tokens
    const base = row * tokens
    const from = window * tokens
    const held = Math.max(0, this.#file.header.tokens - from)
    // One token more than the row has: the last one's target.
    const span = this.#file.read(held > 0 ? from : 0, Math.min(tokens + 1, held))
    const filled = Math.min(tokens, held)
    let start = 0
    let count = 0
    for (let i = 0; i < tokens; i++) {
      if (i >= filled || span.begins[i]) start = i
      starts[base + i] = start
      positions[base + i] = i - start
      if (i >= filled) continue
      ids[base + i] = span.ids[i]!
      const next = i + 1
      if (next >= span.ids.length || span.begins[next] || !span.loss[next]) continue
      targets[base + i] = span.ids[next]!
      count++
    }
    lengths[row] = filled
    return count
  }
}

function whole(option: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value
  return fail('option_invalid', { option, found: String(value), accepted: `a whole number of at least ${least}` })
}
