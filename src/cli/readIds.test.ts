import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { readIds } from './readIds.ts'

const folder = mkdtempSync(join(tmpdir(), 'ck-ids-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function idsOf(content: string | Uint8Array): readonly number[] {
  const path = join(folder, 'ids')
  writeFileSync(path, content)
  return readIds(path)
}

it('reads ids as a JSON array or with white space or commas between them', () => {
  for (const text of ['[1,2,3]', '\n[ 1, 2,\n3 ]\n', '1 2 3\n', '1\n2\n3', '1,2, 3', '\t1  2\r\n3']) {
    expect(idsOf(text)).toEqual([1, 2, 3])
  }
  for (const text of ['', '[]', ' \n', '[ ]']) expect(idsOf(text)).toEqual([])
})

it('names what is no id', () => {
  expect(() => idsOf('[1, 2.5]')).toThrow(/ids: number 2 is '2.5'; accepted: token ids as a JSON array, or/)
  expect(() => idsOf('1 -2')).toThrow(/number 2 is '-2'/)
  expect(() => idsOf('[1, 2')).toThrow(/number 1 is '\[1'/)
  expect(() => idsOf('{"ids": [1]}')).toThrow(/number 1 is '\{"ids":'/)
  expect(() => idsOf('9'.repeat(400))).toThrow(/number 1 is '9{30}\.\.\.'/)
  expect(() => idsOf(Uint8Array.of(0xff, 0x31))).toThrow(/the file is no UTF-8 text/)
  expect(() => readIds(join(folder, 'nowhere'))).toThrow(/nowhere: cannot be opened \(ENOENT\)/)
})
