import { describe, expect, it } from 'vitest'
import { type CraftedGguf, craftGguf, craftKey } from '../../tests/fuzz/craftGguf.ts'
import { CkError } from '../base/errors.ts'
import { memorySource } from './byteSource.ts'
import { readGguf } from './gguf.ts'
import { encodeText, encodeU32, encodeU64, type GgufValue } from './ggufValue.ts'

const read = (crafted: CraftedGguf) => readGguf(memorySource('crafted.gguf', craftGguf(crafted)))

function refusal(action: () => unknown): CkError {
  try {
    action()
  } catch (error) {
    if (error instanceof CkError) return error
    throw error
  }
  throw new Error('was not refused')
}

const values: readonly (readonly [string, GgufValue, unknown])[] = [
  ['a.uint8', { type: 'uint8', value: 255 }, 255],
  ['a.int8', { type: 'int8', value: -128 }, -128],
  ['a.uint16', { type: 'uint16', value: 65535 }, 65535],
  ['a.int16', { type: 'int16', value: -32768 }, -32768],
  ['a.uint32', { type: 'uint32', value: 4294967295 }, 4294967295],
  ['a.int32', { type: 'int32', value: -2147483648 }, -2147483648],
  ['a.float32', { type: 'float32', value: 0.1 }, Math.fround(0.1)],
  ['a.float64', { type: 'float64', value: 0.1 }, 0.1],
  ['a.bool', { type: 'bool', value: true }, true],
  ['a.string', { type: 'string', value: 'größe 😀' }, 'größe 😀'],
  ['a.replacement', { type: 'string', value: 'a real \uFFFD' }, 'a real \uFFFD'],
  ['a.empty', { type: 'string', value: '' }, ''],
  ['a.uint64', { type: 'uint64', value: 2n ** 64n - 1n }, 2n ** 64n - 1n],
  ['a.small64', { type: 'uint64', value: 7 }, 7],
  ['a.int64', { type: 'int64', value: -(2n ** 63n) }, -(2n ** 63n)],
  ['a.negative64', { type: 'int64', value: -7 }, -7],
  ['b.uint8', { type: 'array', of: 'uint8', value: [0, 255] }, Uint8Array.of(0, 255)],
  ['b.int8', { type: 'array', of: 'int8', value: [-128, 127] }, Int8Array.of(-128, 127)],
  ['b.uint16', { type: 'array', of: 'uint16', value: [1, 65535] }, Uint16Array.of(1, 65535)],
  ['b.int16', { type: 'array', of: 'int16', value: [-1, 32767] }, Int16Array.of(-1, 32767)],
  ['b.uint32', { type: 'array', of: 'uint32', value: [1, 4294967295] }, Uint32Array.of(1, 4294967295)],
  ['b.int32', { type: 'array', of: 'int32', value: [-1, 5] }, Int32Array.of(-1, 5)],
  ['b.float32', { type: 'array', of: 'float32', value: [0.5, -1000] }, Float32Array.of(0.5, -1000)],
  ['b.float64', { type: 'array', of: 'float64', value: [0.1, 1e300] }, Float64Array.of(0.1, 1e300)],
  ['b.bool', { type: 'array', of: 'bool', value: [true, false] }, [true, false]],
  ['b.string', { type: 'array', of: 'string', value: ['▁the', '', 'Ġa'] }, ['▁the', '', 'Ġa']],
  ['b.uint64', { type: 'array', of: 'uint64', value: [1, 2n ** 60n] }, [1, 2n ** 60n]],
  ['b.int64', { type: 'array', of: 'int64', value: [-1, -(2n ** 60n)] }, [-1, -(2n ** 60n)]],
  ['b.none', { type: 'array', of: 'uint32', value: [] }, new Uint32Array(0)],
  [
    'b.array',
    {
      type: 'array',
      of: 'array',
      value: [
        { type: 'array', of: 'int32', value: [1, 2] },
        { type: 'array', of: 'string', value: ['x'] },
      ],
    },
    [Int32Array.of(1, 2), ['x']],
  ],
]

describe('readGguf', () => {
  it.each(values)('reads %s', (key, value, expected) => {
    expect(read({ keys: [[key, value]] }).metadata.get(key)).toEqual(expected)
  })

  it('reads all value types one after the other, in order', () => {
    const { metadata } = read({ keys: values.map(([key, value]) => [key, value] as const) })
    expect([...metadata]).toEqual(values.map(([key, , expected]) => [key, expected]))
  })

  it('reads version 2, and a file without keys and tensors', () => {
    const header = read({ version: encodeU32(2) })
    expect([header.metadata.size, header.tensors.size, header.headerBytes]).toEqual([0, 0, 24])
  })

  it('reads strings longer than its window', () => {
    const value = 'é'.repeat(200_000)
    const { metadata } = read({
      keys: [
        ['long', { type: 'string', value }],
        ['after', { type: 'uint8', value: 3 }],
      ],
    })
    expect(metadata.get('long')).toBe(value)
    expect(metadata.get('after')).toBe(3)
  })

  it('places tensors with the outermost dim first', () => {
    const { tensors, headerBytes } = read({
      tensors: [
        { name: 'a.weight', dims: [64, 3], type: 8, offset: 0 },
        { name: 'b', dims: [5], type: 0, offset: 224 },
      ],
      dataBytes: 224 + 20,
    })
    const begin = Math.ceil(headerBytes / 32) * 32
    expect([...tensors.values()]).toEqual([
      { name: 'a.weight', dtype: 'q8_0', shape: [3, 64], file: 'crafted.gguf', offset: begin, bytes: 204 },
      { name: 'b', dtype: 'f32', shape: [5], file: 'crafted.gguf', offset: begin + 224, bytes: 20 },
    ])
  })

  it('aligns the data section as general.alignment says', () => {
    const bytes = Buffer.concat([
      craftGguf({
        keys: [['general.alignment', { type: 'uint32', value: 4096 }]],
        tensors: [{ name: 'a', dims: [2], type: 0, offset: 4096 }],
      }),
      Buffer.alloc(8200),
    ])
    expect(readGguf(memorySource('m', bytes)).tensors.get('a')?.offset).toBe(8192)
  })

  it('refuses a file cut anywhere, and never with anything but a refusal', () => {
    const whole = craftGguf({
      keys: values.map(([key, value]) => [key, value] as const),
      tensors: [{ name: 'a', dims: [2], type: 0, offset: 0 }],
      dataBytes: 8,
    })
    for (let bytes = 0; bytes < whole.length; bytes++) {
      const error = refusal(() => readGguf(memorySource('cut.gguf', whole.subarray(0, bytes))))
      expect(error.code).toBe('file_malformed')
      expect(error.message).toMatch(/^cut\.gguf at byte \d+: /)
    }
  })
})

const one = { name: 'a', dims: [2], type: 0, offset: 0 }
const refusals: readonly (readonly [string, CraftedGguf, RegExp])[] = [
  ['another magic', { magic: 'GGML' }, /at byte 0: the file does not begin with GGUF/],
  ['version 1', { version: encodeU32(1) }, /at byte 4: the file has GGUF version 1; accepted: GGUF version 2 or 3/],
  ['a big-endian file', { version: Buffer.from([0, 0, 0, 3]) }, /at byte 4: the file is big-endian/],
  ['2^60 tensors', { tensorCount: 2n ** 60n }, /at byte 8: number of tensors is 1152921504606846976/],
  ['2^60 keys', { keyCount: 2n ** 60n }, /at byte 16: number of metadata keys is 1152921504606846976/],
  ['2^40 keys', { keyCount: 2n ** 40n }, /at byte 24: the metadata table has 1099511627776 items/],
  ['2^40 tensors', { tensorCount: 2n ** 40n }, /the tensor table has 1099511627776 items/],
  ['a key longer than the file', { keys: [encodeU64(60_000)], dataBytes: 40 }, /the name of key 0 needs 60000 bytes/],
  ['a key of 2^60 bytes', { keys: [encodeU64(2n ** 60n)], dataBytes: 40 }, /length of key 0 is 1152921504606846976/],
  ['an empty key', { keys: [craftKey('', 0, Buffer.from([1, 2, 3, 4]))] }, /the name of key 0 has 0 bytes/],
  [
    'a line feed in a key',
    { keys: [craftKey('a\nb', 0, Buffer.alloc(1))] },
    /key 0 has a name of 3 bytes, 'a\\u\{a\}b'/,
  ],
  ['a key that is no UTF-8', { keys: [craftKey(Buffer.from([0xff, 0x61]), 0, Buffer.alloc(1))] }, /key 0 is not valid/],
  ['a value type 13', { keys: [craftKey('k', 13, Buffer.alloc(8))] }, /key 'k' has value type 13; accepted: 0 to 12/],
  ['a bool of 2', { keys: [craftKey('k', 7, Buffer.from([2]))] }, /key 'k' is a bool of value 2/],
  [
    'a string value that is no UTF-8',
    { keys: [craftKey('k', 8, encodeU64(2), Buffer.from([0xc3, 0x28]))] },
    /at byte 45: key 'k' is not valid UTF-8/,
  ],
  [
    'half a surrogate pair in an array, with its index',
    {
      keys: [craftKey('k', 9, encodeU32(8), encodeU64(2), encodeText('a'), encodeU64(3), Buffer.from('eda080', 'hex'))],
    },
    /item 1 of key 'k' is not valid UTF-8/,
  ],
  [
    'an array of 10^12 numbers',
    { keys: [craftKey('k', 9, encodeU32(6), encodeU64(10n ** 12n))], dataBytes: 64 },
    /key 'k' has 1000000000000 items of at least 4 bytes, and the file ends/,
  ],
  [
    'an array of 10^12 strings',
    { keys: [craftKey('k', 9, encodeU32(8), encodeU64(10n ** 12n))], dataBytes: 64 },
    /key 'k' has 1000000000000 items of at least 8 bytes/,
  ],
  [
    'arrays nested without end',
    { keys: [craftKey('k', 9, ...Array.from({ length: 99 }, () => [encodeU32(9), encodeU64(1)]).flat())] },
    /key 'k' nests arrays too deep; accepted: at most 4 levels/,
  ],
  [
    'a million arrays in an array',
    { keys: [craftKey('k', 9, encodeU32(9), encodeU64(1e6), Buffer.alloc(12e6))] },
    /key 'k' has one array too many; accepted: at most 4 levels, and 65536 arrays/,
  ],
  [
    'five million bools',
    { keys: [craftKey('k', 9, encodeU32(7), encodeU64(5e6), Buffer.alloc(5e6))] },
    /key 'k' has 5000000 items; accepted: at most 4194304 strings, bools/,
  ],
  ['a million keys', { keyCount: 1e6, dataBytes: 13e6 }, /the file has 1000000 keys; accepted: at most 65536/],
  [
    'a million tensors',
    { tensorCount: 1e6, dataBytes: 33e6 },
    /the file has 1000000 tensors; accepted: at most 262144/,
  ],
  [
    'a key that occurs twice',
    {
      keys: [
        ['k', { type: 'uint8', value: 1 }],
        ['k', { type: 'uint8', value: 2 }],
      ],
    },
    /key 'k' occurs twice/,
  ],
  [
    'an alignment of 24',
    { keys: [['general.alignment', { type: 'uint32', value: 24 }]] },
    /'general.alignment' is 24; accepted: a power of two/,
  ],
  ['a tensor that occurs twice', { tensors: [one, one], dataBytes: 64 }, /tensor 'a' occurs twice/],
  [
    'a tensor name that is no UTF-8',
    { tensors: [{ ...one, name: Buffer.from([0x80]) }], dataBytes: 8 },
    /tensor 0 is not/,
  ],
  ['no dims', { tensors: [{ ...one, dims: [] }], dataBytes: 40 }, /tensor 'a' has 0 dims; accepted: 1 to 4/],
  ['5 dims', { tensors: [{ ...one, dims: [1, 1, 1, 1, 1] }], dataBytes: 8 }, /tensor 'a' has 5 dims; accepted: 1 to 4/],
  ['a dim of 0', { tensors: [{ ...one, dims: [2, 0] }], dataBytes: 8 }, /tensor 'a' has shape \[0, 2\]/],
  [
    '2^54 elements',
    { tensors: [{ ...one, dims: [2 ** 27, 2 ** 27] }], dataBytes: 8 },
    /tensor 'a' has shape \[134217728, /,
  ],
  [
    'a dim of 2^60',
    { tensors: [{ ...one, dims: [2n ** 60n] }], dataBytes: 8 },
    /dim 0 of tensor 'a' is 1152921504606846976/,
  ],
  [
    'a known type without a row in the dtype table',
    { tensors: [{ ...one, type: 16 }], dataBytes: 8 },
    /tensor 'a' has type IQ2_XXS; accepted types: F32, F16, BF16, Q8_0, Q4_0, .*, MXFP4; nearest: Q2_K/,
  ],
  ['a type that no weight has', { tensors: [{ ...one, type: 26 }], dataBytes: 8 }, /tensor 'a' has type I32; accepted/],
  ['an unknown type', { tensors: [{ ...one, type: 77 }], dataBytes: 8 }, /tensor 'a' has type number 77; accepted/],
  [
    'a row that is no whole number of blocks',
    { tensors: [{ ...one, dims: [48, 2], type: 8 }], dataBytes: 102 },
    /'a' has shape \[2, 48\]; accepted: rows of a multiple of 32 elements, as type Q8_0 has; nearest type for these: F16/,
  ],
  [
    'a row that is no whole number of large blocks',
    { tensors: [{ ...one, dims: [96, 2], type: 14 }], dataBytes: 102 },
    /'a' has shape \[2, 96\]; accepted: rows of a multiple of 256 elements, as type Q6_K has; nearest type for these: Q5_1/,
  ],
  [
    'an offset between two alignments',
    { tensors: [{ ...one, offset: 16 }], dataBytes: 64 },
    /offset 16; accepted: multiples of/,
  ],
  [
    'an offset past the end',
    { tensors: [{ ...one, offset: 320 }], dataBytes: 64 },
    /'a' has 8 bytes here, and the file ends/,
  ],
  [
    'an offset of 2^60',
    { tensors: [{ ...one, offset: 2n ** 60n }], dataBytes: 64 },
    /offset of tensor 'a' is 11529215046/,
  ],
  ['data that is cut off', { tensors: [{ ...one, dims: [64] }], dataBytes: 255 }, /tensor 'a' has 256 bytes here/],
  [
    'tensors that overlap',
    {
      tensors: [
        { ...one, dims: [32] },
        { ...one, name: 'b', offset: 64 },
      ],
      dataBytes: 128,
    },
    /tensor 'b' begins inside tensor 'a', which ends at byte/,
  ],
]

describe('readGguf refuses', () => {
  it.each(refusals)('%s', (_, crafted, message) => {
    const error = refusal(() => read(crafted))
    expect(error.message).toMatch(message)
    expect(error.message).toContain('crafted.gguf')
  })
})
