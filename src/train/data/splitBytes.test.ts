import { describe, expect, it } from 'vitest'
import { memorySource } from '../../formats/byteSource.ts'
import { splitBytes } from './splitBytes.ts'

const spansOf = (text: string, separator: string | undefined, longest = 1e9) =>
  [...splitBytes(memorySource('m', Buffer.from(text)), separator ? Buffer.from(separator) : undefined, longest)].map(
    ({ at, size, bytes }) => [at, size, bytes && Buffer.from(bytes).toString()] as const,
  )

describe('cutting bytes', () => {
  it('gives what stands between separators, and nothing behind the last', () => {
    expect(spansOf('a\n\nbc\nd\n', '\n')).toEqual([
      [0, 1, 'a'],
      [2, 0, ''],
      [3, 2, 'bc'],
      [6, 1, 'd'],
    ])
    expect(spansOf('ab--c', '--')).toEqual([
      [0, 2, 'ab'],
      [4, 1, 'c'],
    ])
    expect(spansOf('ab', undefined)).toEqual([[0, 2, 'ab']])
    expect(spansOf('', '\n')).toEqual([])
  })

  it('passes over what is too long', () => {
    expect(spansOf('abcd,ef,ghijk', ',', 3)).toEqual([
      [0, 4, undefined],
      [5, 2, 'ef'],
      [8, 5, undefined],
    ])
  })

  it('finds separators across the pieces that it reads', () => {
    const piece = 4 * 2 ** 20
    const bytes = Buffer.alloc(3 * piece, 'x')
    const places = [5, piece - 2, piece + 9, 2 * piece - 1, 3 * piece - 3]
    for (const at of places) bytes.write('END', at)
    for (const longest of [1e9, 100]) {
      const spans = [...splitBytes(memorySource('m', bytes), Buffer.from('END'), longest)]
      expect(spans.map(({ at }) => at)).toEqual([0, ...places.slice(0, -1).map((at) => at + 3)])
      expect(spans.map(({ at, size }) => at + size)).toEqual(places)
      expect(spans.map(({ size, bytes: held }) => held?.length ?? size)).toEqual(spans.map(({ size }) => size))
      expect(spans.map(({ bytes: held }) => held !== undefined)).toEqual(spans.map(({ size }) => size <= longest))
    }
  })
})
