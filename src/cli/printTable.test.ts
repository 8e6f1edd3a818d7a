import { expect, it } from 'vitest'
import { formatBytes } from './formatBytes.ts'
import { printTable } from './printTable.ts'

it('puts cells in columns, numbers at the right, without space at the end of a line', () => {
  expect(printTable([['name', 'bytes', ''], ['a', 5, 'x'], ['long name', 1000, ''], ['alone']])).toBe(
    'name       bytes\na              5  x\nlong name   1000\nalone\n',
  )
  expect(printTable([])).toBe('')
})

it('says bytes with three digits', () => {
  expect([0, 1023, 1024, 1536, 102400, 2 ** 20, 3.7 * 2 ** 30, 2 ** 50].map(formatBytes)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '100 KiB',
    '1.0 MiB',
    '3.7 GiB',
    '1024 TiB',
  ])
})
