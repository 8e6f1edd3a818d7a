import { describe, expect, it } from 'vitest'
import { memorySource } from './byteSource.ts'
import { readSafetensors } from './safetensors.ts'

function craft(header: unknown, dataBytes: number): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([prefix, json, Buffer.alloc(dataBytes)])
}

const read = (header: unknown, dataBytes: number) =>
  readSafetensors(memorySource('m.safetensors', craft(header, dataBytes)))

describe('readSafetensors', () => {
  it('reads tensors, metadata and where the data begins', () => {
    const { tensors, metadata, headerBytes } = read(
      {
        __metadata__: { format: 'pt' },
        b: { dtype: 'BF16', shape: [2, 3], data_offsets: [8, 20] },
        a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
        scalar: { dtype: 'F16', shape: [], data_offsets: [20, 22] },
      },
      22,
    )
    expect([...metadata]).toEqual([['format', 'pt']])
    const file = 'm.safetensors'
    expect([...tensors.values()]).toEqual([
      { name: 'b', dtype: 'bf16', shape: [2, 3], file, offset: headerBytes + 8, bytes: 12 },
      { name: 'a', dtype: 'f32', shape: [2], file, offset: headerBytes, bytes: 8 },
      { name: 'scalar', dtype: 'f16', shape: [], file, offset: headerBytes + 20, bytes: 2 },
    ])
  })

  it('keeps a tensor called like a property of every object', () => {
    const header = '{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    expect([...read(header, 4).tensors.keys()]).toEqual(['__proto__'])
  })

  it('reads a header without tensors', () => {
    expect(read('{}   ', 0).tensors.size).toBe(0)
  })
})

const a = { dtype: 'F32', shape: [2], data_offsets: [0, 8] }
const refusals: readonly (readonly [string, unknown, number, RegExp])[] = [
  ['a header that is no JSON', '{"a":', 8, /the header is not JSON/],
  ['a header that is an array', '[]', 0, /the header is an array of 0 items; accepted: a JSON object/],
  ['a tensor that is no object', { a: 3 }, 8, /tensor 'a' is 3; accepted: a JSON object/],
  [
    'integer helper tensors',
    { a: { ...a, dtype: 'I64' } },
    8,
    /tensor 'a' has type I64; accepted types: F32, F16, BF16/,
  ],
  ['an unknown dtype', { a: { ...a, dtype: 'Q9' } }, 8, /tensor 'a' has type Q9; accepted types: F32, F16, BF16/],
  ['a missing dtype', { a: { shape: [2], data_offsets: [0, 8] } }, 8, /tensor 'a' has type missing/],
  ['a shape that is no array', { a: { ...a, shape: 'x' } }, 8, /tensor 'a' has "x" as shape/],
  ['a negative dim', { a: { ...a, shape: [-2] } }, 8, /tensor 'a' has an array of 1 items as shape/],
  ['a fractional dim', { a: { ...a, shape: [1.5] } }, 8, /tensor 'a' has an array of 1 items as shape/],
  ['a dim of 0', { a: { ...a, shape: [0] } }, 8, /tensor 'a' has shape \[0\]; accepted: dims of at least 1/],
  ['2^60 elements', { a: { ...a, shape: [2 ** 30, 2 ** 30] } }, 8, /tensor 'a' has shape \[1073741824, 1073741824\]/],
  [
    'sizes that disagree',
    { a: { ...a, shape: [3] } },
    8,
    /data_offsets \[0, 8\]; accepted: begin and end of the 12 bytes/,
  ],
  ['reversed offsets', { a: { ...a, data_offsets: [8, 0] } }, 8, /tensor 'a' has data_offsets \[8, 0\]/],
  ['a third offset', { a: { ...a, data_offsets: [0, 8, 9] } }, 8, /tensor 'a' has data_offsets \[0, 8, 9\]/],
  [
    'an offset past the end',
    { a: { ...a, data_offsets: [80, 88] } },
    8,
    /tensor 'a' has 8 bytes here, and the file ends/,
  ],
  ['a field that the format does not have', { a: { ...a, stride: [1] } }, 8, /tensor 'a' has the field 'stride'/],
  ['data that is cut off', { a }, 7, /tensor 'a' has 8 bytes here, and the file ends at byte/],
  ['bytes that no tensor has at the end', { a }, 12, /the tensors end here, and 4 bytes follow/],
  ['a gap', { a, b: { ...a, data_offsets: [12, 20] } }, 20, /no tensor has the 4 bytes before tensor 'b'/],
  ['an overlap', { a, b: { ...a, data_offsets: [4, 12] } }, 12, /tensor 'b' begins inside tensor 'a'/],
  ['metadata that is no text', { __metadata__: { n: 1 } }, 0, /__metadata__ has 'n' as 1; accepted: strings/],
  [
    'a name that occurs twice, however it is spelled',
    '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}, "\\u0061" : {"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    8,
    /the header has 'a' twice/,
  ],
]

describe('readSafetensors refuses', () => {
  it.each(refusals)('%s', (_, header, dataBytes, message) => {
    expect(() => read(header, dataBytes)).toThrow(message)
    expect(() => read(header, dataBytes)).toThrow(/^m\.safetensors/)
  })

  it.each([
    ['an empty file', '', /length of the header needs 8 bytes, and the file ends 0 bytes from here/],
    ['a header longer than the file', 'ff00000000000000', /the header needs 255 bytes, and the file ends 0 bytes/],
    ['a header of 2^60 bytes', '0000000000000010', /length of the header is 1152921504606846976/],
    ['a header that is no UTF-8', '0400000000000000227b22ff', /the header is not valid UTF-8/],
  ])('%s', (_, hex, message) => {
    expect(() => readSafetensors(memorySource('m', Buffer.from(hex, 'hex')))).toThrow(message)
  })

  it('a header of more than 16 MiB, before it is read', () => {
    const prefix = memorySource('m', Buffer.concat([Buffer.from('0000001000000000', 'hex'), Buffer.alloc(2 ** 18)]))
    const source = { ...prefix, size: 2 ** 40 }
    expect(() => readSafetensors(source)).toThrow(/makes the header longer than 16777224 bytes/)
  })
})
