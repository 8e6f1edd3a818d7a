import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CkError } from '../../src/base/errors.ts'
import { load, type Model } from '../../src/run/session.ts'
import { scratchFolder, vocabulary, writeWeights } from '../engine/fixture.ts'

const folder = scratchFolder()
const models: Model[] = []
let model: Model

async function opened(name: string, defines: readonly string[] = [], script: readonly number[] = []): Promise<Model> {
  const dir = join(folder.path, name)
  mkdirSync(dir)
  folder.build(join(dir, 'libmodel.so'), { defines })
  writeWeights(join(dir, 'weights.bump'), { script })
  writeFileSync(join(dir, 'manifest.json'), '{}')
  models.push(await load(dir))
  return models.at(-1)!
}

beforeAll(async () => {
  model = await opened('plain')
})
afterAll(async () => {
  await Promise.all(models.map((one) => one.close()))
  folder.remove()
})

const ids = (count: number, seed = 0) => Array.from({ length: count }, (_, i) => (i * 37 + 11 + 53 * seed) % vocabulary)
const path = (name: string) => join(folder.path, name)

async function refusalOf(work: () => unknown): Promise<Pick<CkError, 'code' | 'message'>> {
  try {
    await work()
  } catch (error) {
    const { code, message } = error as CkError
    return { code, message }
  }
  throw new Error('nothing was refused')
}

/** Saves `count` tokens and gives the file's bytes. */
async function saved(name: string, count: number, of = model): Promise<Buffer> {
  const session = of.session({ threads: 1 })
  await session.append(ids(count))
  await session.save(path(name))
  await session.close()
  return readFileSync(path(name))
}

/** Checksums of header and body made right again, after a change. */
function sealed(file: Buffer): Buffer {
  file.writeUInt32LE(crc32(file.subarray(128)), 84)
  file.writeUInt32LE(crc32(file.subarray(16, 128)), 12)
  return file
}

describe('saved tokens', () => {
  it('go on with the same bits in any session, sequence and number of threads', async () => {
    for (const count of [0, 1, 4, 18, 64]) {
      const file = `same-${count}`
      await saved(file, count)
      const rest = ids(Math.min(9, 64 - count), 4)
      const expected = await model.session().logits([...ids(count), ...rest], { rows: rest.length })
      for (const threads of [1, 2, 3]) {
        const sequence = model.session({ threads }).sequence(threads - 1)
        await sequence.append(ids(30, 7))
        await sequence.load(path(file))
        expect(sequence.position).toBe(count)
        expect(await sequence.append(rest, { rows: rest.length })).toEqual(expected)
      }
    }
  })

  it('are the same bytes whatever the session held before, and only those of the positions held', async () => {
    const short = await saved('short', 6)
    const session = model.session({ threads: 3 })
    await session.append(ids(50, 3))
    session.reset()
    const other = session.sequence(2)
    await other.append(ids(6))
    await other.save(path('again'))
    expect(readFileSync(path('again'))).toEqual(short)
    // Per position 4 bytes of id and 64 of the first state; of the second two rows of panels of 4 positions, 40 bytes each.
    expect(short.length).toBe(128 + 6 * 68 + 2 * 2 * 40)
    expect(readdirSync(folder.path).filter((name) => name.startsWith('again.'))).toEqual([])
  })

  it('are taken by a build with another context, where they fit', async () => {
    await saved('long', 40)
    await saved('fits', 30)
    const smaller = await opened('smaller', ['FIXTURE_CONTEXT=32'])
    const session = smaller.session()
    await session.load(path('fits'))
    const expected = await model.session().logits([...ids(30), 5], { rows: 1 })
    expect(await session.append([5], { rows: 1 })).toEqual(expected)
    const refusal = await refusalOf(() => session.load(path('long')))
    expect(refusal).toEqual({
      code: 'saved_tokens_failed',
      message: `${path('long')}: holds 40 tokens, which do not fit the context; accepted: at most 32 (build with a larger --context)`,
    })
    expect(session.position).toBe(31)
  })

  it('of another model, of another kind of build, and of no model are refused, and what is held stays', async () => {
    const good = await saved('good', 10)
    await saved('stranger', 10, await opened('other-weights', [], [1, 2, 3]))
    await saved('strict', 10, await opened('other-build', ['FIXTURE_STATE_ID="other states"']))
    const changes: readonly [name: string, change: (file: Buffer) => unknown, says: string][] = [
      ['empty', () => Buffer.alloc(0), 'has 0 bytes'],
      ['few', (file) => file.subarray(0, 100), 'has 100 bytes; a file of saved tokens has at least 128'],
      ['cut', (file) => file.subarray(0, -1), 'damaged or cut off'],
      ['longer', (file) => Buffer.concat([file, Buffer.alloc(4)]), 'damaged or cut off'],
      ['magic', (file) => file.write('CKWEIGHT'), 'is no file of saved tokens'],
      ['header', (file) => file.writeUInt8(1, 100), 'damaged or cut off'],
      ['body', (file) => file.writeUInt8(file[200]! ^ 1, 200), 'damaged or cut off'],
    ]
    const sealedChanges: typeof changes = [
      ['id', (file) => file.writeInt32LE(vocabulary, 132), 'token id 300 at position 1 is outside the vocabulary'],
      ['tokens', (file) => file.writeBigInt64LE(11n, 96), 'damaged or cut off'],
      ['huge', (file) => file.writeBigInt64LE(2n ** 62n, 96), 'do not fit the context'],
      ['negative', (file) => file.writeBigInt64LE(-1n, 96), 'do not fit the context'],
    ]
    const cases: [name: string, says: string][] = [
      ['nothing', 'cannot be opened'],
      ['stranger', 'was saved by another model'],
      ['strict', 'was saved by another build of this model'],
    ]
    for (const [name, change, says] of [...changes, ...sealedChanges]) {
      const file = Buffer.from(good)
      const answer = change(file)
      const isSealed = sealedChanges.some(([other]) => other === name)
      writeFileSync(path(name), Buffer.isBuffer(answer) ? answer : isSealed ? sealed(file) : file)
      cases.push([name, says])
    }
    const session = model.session()
    await session.append(ids(20, 9))
    for (const [name, says] of cases) {
      const refusal = await refusalOf(() => session.load(path(name)))
      expect(refusal.code, name).toBe('saved_tokens_failed')
      expect(refusal.message, name).toContain(path(name))
      expect(refusal.message, name).toContain(says)
    }
    expect(await session.append([5], { rows: 1 })).toEqual(
      await model.session().logits([...ids(20, 9), 5], { rows: 1 }),
    )
  })

  it('are not written where that cannot be, and nothing is left behind', async () => {
    const session = model.session()
    await session.append([1])
    const refusal = await refusalOf(() => session.save(path('no/such/folder')))
    expect(refusal.code).toBe('saved_tokens_failed')
    expect(refusal.message).toContain('cannot be written')
    mkdirSync(path('taken'))
    expect((await refusalOf(() => session.save(path('taken')))).message).toContain('nothing was left behind')
    expect(readdirSync(folder.path).filter((name) => name.startsWith('taken.'))).toEqual([])
    expect(existsSync(path('no'))).toBe(false)
  })
})
