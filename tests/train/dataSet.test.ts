import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type Batch, DataSet } from '../../src/train/data/dataSet.ts'
import { seededRandom } from '../conformance/random.ts'
import { type MadeDocument, madeDocuments, writeDataSet } from './fixture.ts'

const dir = mkdtempSync(join(tmpdir(), 'ck-data-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

interface Case {
  readonly documents: number
  readonly longest: number
  readonly isMasked: boolean
  readonly batch: number
  readonly tokens: number
}

const cases: readonly Case[] = [
  { documents: 40, longest: 30, isMasked: false, batch: 3, tokens: 16 },
  { documents: 300, longest: 3, isMasked: true, batch: 4, tokens: 7 },
  { documents: 1, longest: 5000, isMasked: true, batch: 2, tokens: 1 },
  // More documents than an index step of the file, and ids of four bytes.
  { documents: 3000, longest: 60, isMasked: true, batch: 5, tokens: 64 },
]

let made = 0
async function dataOf({ documents, longest, isMasked }: Case) {
  const folder = join(dir, `${made++}`)
  const train = madeDocuments(seededRandom(made), { documents, longest, isMasked })
  await writeDataSet(folder, train, train.slice(0, 3))
  return { folder, train, data: DataSet.open(folder) }
}

/** Where each id lies: its document, and its place in it. Ids tell tokens apart. */
function placesOf(documents: readonly MadeDocument[]) {
  const places = new Map<number, { document: number; at: number; loss: number }>()
  documents.forEach(({ ids, loss }, document) => {
    ids.forEach((id, at) => {
      places.set(id, { document, at, loss: loss[at]! })
    })
  })
  return places
}

function rowOf({ tokens, ids, targets, positions, starts, lengths }: Batch, row: number) {
  const cut = (array: Int32Array) => array.slice(row * tokens, (row + 1) * tokens)
  return {
    ids: cut(ids),
    targets: cut(targets),
    positions: cut(positions),
    starts: cut(starts),
    length: lengths[row]!,
  }
}

describe.each(cases)('batches of %j', (wanted) => {
  it('have every token of every document once in each epoch', async () => {
    const { train, data } = await dataOf(wanted)
    const batches = data.batches({ ...wanted, seed: 3 })
    const all = train.flatMap(({ ids }) => [...ids])
    const rows: number[][] = []
    for (let step = 0; rows.length < 2 * batches.rowsPerEpoch; step++) {
      const batch = batches.batchAt(step)
      for (let row = 0; row < batch.rows; row++) {
        const { ids, length } = rowOf(batch, row)
        rows.push([...ids.slice(0, length)])
      }
    }
    const epochs = [0, 1].map((epoch) => rows.slice(epoch * batches.rowsPerEpoch, (epoch + 1) * batches.rowsPerEpoch))
    for (const epoch of epochs) expect(epoch.flat().toSorted((a, b) => a - b)).toEqual(all)
    expect(epochs[0]).not.toEqual(epochs[1])
    data.close()
  })

  it('have targets within documents only, and every token that may be learnt as target once', async () => {
    const { train, data } = await dataOf(wanted)
    const places = placesOf(train)
    const batches = data.batches({ ...wanted, order: 'sequential' })
    const learnt = new Map<number, number>()
    let counted = 0
    for (let step = 0; step < batches.batchesPerEpoch; step++) {
      const batch = batches.batchAt(step)
      counted += batch.targetCount
      expect(batch.targetCount).toBe(batch.targets.filter((id) => id >= 0).length)
      expect(batch.tokenCount).toBe(batch.lengths.reduce((sum, length) => sum + length, 0))
      for (let row = 0; row < batch.rows; row++) {
        const { ids, targets, positions, starts, length } = rowOf(batch, row)
        for (let i = 0; i < wanted.tokens; i++) {
          expect(positions[i]).toBe(i - starts[i]!)
          if (i >= length) {
            expect([ids[i], targets[i], starts[i]]).toEqual([0, -1, i])
            continue
          }
          const place = places.get(ids[i]!)!
          expect(starts[i]).toBe(Math.max(0, i - place.at))
          const next = train[place.document]!.ids[place.at + 1]
          const mayLearn = next !== undefined && places.get(next)!.loss === 1
          expect(targets[i]).toBe(mayLearn ? next : -1)
          if (mayLearn) learnt.set(next, (learnt.get(next) ?? 0) + 1)
        }
      }
    }
    const wantedTargets = train.flatMap(({ ids, loss }) => [...ids].filter((_, at) => at > 0 && loss[at] === 1))
    expect([...learnt.keys()].toSorted((a, b) => a - b)).toEqual(wantedTargets)
    expect(counted).toBe(wantedTargets.length)
    data.close()
  })

  it('are what they were after the data set is opened again', async () => {
    const { folder, data } = await dataOf(wanted)
    const first = data.batches({ ...wanted, seed: 9 })
    const steps = [0, 1, 2, first.batchesPerEpoch - 1, first.batchesPerEpoch, 5 * first.batchesPerEpoch + 1]
    const before = steps.map((step) => first.batchAt(step))
    data.close()
    const again = DataSet.open(folder)
    const second = again.batches({ ...wanted, seed: 9 })
    for (const [i, step] of steps.entries()) expect(second.batchAt(step)).toEqual(before[i])
    expect(second.stateAt(steps.at(-1)!)).toEqual(first.stateAt(steps.at(-1)!))
    expect(again.batches({ ...wanted, seed: 10 }).batchAt(0)).not.toEqual(before[0])
    again.close()
  })
})

describe('a data set', () => {
  const small: Case = { documents: 10, longest: 9, isMasked: true, batch: 2, tokens: 4 }

  it('says where training stands', async () => {
    const { data } = await dataOf(small)
    const batches = data.batches({ ...small, seed: 5 })
    expect(batches.stateAt(0)).toEqual({ seed: 5, epoch: 0, step: 0 })
    const step = Math.ceil(batches.rowsPerEpoch / 2)
    expect(batches.stateAt(step)).toEqual({ seed: 5, epoch: 1, step })
    expect(batches.stateAt(1e12).epoch).toBe(Math.floor(2e12 / batches.rowsPerEpoch))
    data.close()
  })

  it('refuses a batch that is larger than itself, sizes that are none, and a smaller vocabulary', async () => {
    const { data } = await dataOf(small)
    const { tokens } = data.info.train
    expect(() => data.batches({ batch: tokens, tokens: 2 })).toThrow(
      new RegExp(
        `train has ${tokens} tokens, fewer than a batch of ${tokens} rows of 2; accepted: at least ${2 * tokens}`,
      ),
    )
    expect(() => data.batches({ batch: 0, tokens: 2 })).toThrow("batch is '0'")
    expect(() => data.batches({ batch: 1, tokens: 1.5 })).toThrow("tokens is '1.5'")
    expect(() => data.batches({ batch: 1, tokens: 1 }).batchAt(-1)).toThrow("step is '-1'")
    data.requireVocabulary(data.info.vocabulary)
    expect(() => data.requireVocabulary(3)).toThrow('accepted: ids of the model, 0 to 2')
    data.close()
  })

  it('refuses files that are cut, exchanged or of something else', async () => {
    const { folder, data } = await dataOf(small)
    data.close()
    const path = join(folder, 'train.bin')
    const bytes = readFileSync(path)
    const refused = (change: () => void, sentence: RegExp) => {
      change()
      expect(() => DataSet.open(folder)).toThrow(sentence)
      writeFileSync(path, bytes)
    }
    refused(() => truncateSync(path, bytes.length - 1), /train\.bin at byte \d+: the file has \d+ bytes; accepted: \d+/)
    refused(() => truncateSync(path, 20), /the file ends inside its header/)
    refused(() => writeFileSync(path, 'GGUF and other things'), /does not begin with CKTOKENS/)
    refused(() => writeFileSync(path, readFileSync(join(folder, 'validation.bin'))), /as data\.json says/)
    refused(() => writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(1)])), /the file has \d+ bytes/)
    expect(() => DataSet.open(join(folder, 'nothing'))).toThrow(/data\.json: cannot be opened/)
    writeFileSync(join(folder, 'data.json'), '{"format": 2}')
    expect(() => DataSet.open(folder)).toThrow(/says nothing of a data set/)
  })
})
