import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DataInfo } from '../../src/train/data/dataInfo.ts'
import { usualDataOptions } from '../../src/train/data/prepareData.ts'
import { writeParts } from '../../src/train/data/writeParts.ts'
import type { Random } from '../conformance/random.ts'

/** A document: its ids, and 1 where one may be learnt. */
export interface MadeDocument {
  readonly ids: Int32Array
  readonly loss: Uint8Array
}

/** Documents of 1 to `longest` tokens whose ids tell them apart; `isMasked`: some tokens are not learnt. */
export function madeDocuments(
  random: Random,
  {
    documents,
    longest,
    isMasked,
  }: { readonly documents: number; readonly longest: number; readonly isMasked: boolean },
): readonly MadeDocument[] {
  let id = 0
  return Array.from({ length: documents }, () => {
    const ids = Int32Array.from({ length: 1 + random.whole(longest) }, () => id++)
    const loss = Uint8Array.from(ids, () => (isMasked ? random.whole(2) : 1))
    return { ids, loss }
  })
}

/** Writes a data set of documents as `ck data prepare` does. */
export async function writeDataSet(
  folder: string,
  train: readonly MadeDocument[],
  validation: readonly MadeDocument[],
): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const all = [...train, ...validation]
  const vocabulary = 1 + Math.max(...all.map(({ ids }) => ids.reduce((most, id) => Math.max(most, id), 0)))
  const isMasked = all.some(({ loss }) => loss.includes(0))
  const parts = await writeParts(folder, vocabulary <= 2 ** 16 ? 2 : 4, vocabulary, async (add) => {
    for (const { ids, loss } of train) add('train', ids.length, ids, isMasked ? loss : undefined)
    for (const { ids, loss } of validation) add('validation', ids.length, ids, isMasked ? loss : undefined)
  })
  const info: DataInfo = {
    ...{ format: 1, tokenizer: null, vocabulary, options: usualDataOptions, inputs: [], findings: {} },
    ...parts,
  }
  writeFileSync(join(folder, 'data.json'), JSON.stringify(info))
}
