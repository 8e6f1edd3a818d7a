import { describe, expect, it } from 'vitest'
import {
  bfloat16ToNumber,
  bytesOf,
  decodeTensor,
  dtypeFromGguf,
  dtypeFromSafetensors,
  dtypeNames,
  dtypes,
  halfToNumber,
  numberToBfloat16,
  numberToHalf,
} from './dtypes.ts'

describe('binary16', () => {
  it('comes back from its value for all 65,536 bit patterns', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = halfToNumber(bits)
      if (Number.isNaN(value)) expect(Number.isNaN(halfToNumber(numberToHalf(value)))).toBe(true)
      else if (numberToHalf(value) !== bits) throw new Error(`0x${bits.toString(16)} is ${value}`)
    }
  })

  it('rounds to the nearest, ties to even, in every binade', () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [halfToNumber(bits), halfToNumber(bits + 1)]
      const middle = (low + high) / 2
      const step = (high - low) / 8
      if (numberToHalf(middle) !== (bits % 2 === 0 ? bits : bits + 1)) throw new Error(`the tie at ${middle}`)
      if (numberToHalf(middle - step) !== bits || numberToHalf(middle + step) !== bits + 1)
        throw new Error(`around ${middle}`)
    }
  })

  it('overflows to infinity half a step above 65504', () => {
    expect(numberToHalf(65519.99)).toBe(0x7bff)
    expect(numberToHalf(65520)).toBe(0x7c00)
    expect(numberToHalf(-1e9)).toBe(0xfc00)
  })
})

describe('bfloat16', () => {
  it('comes back from its value for all finite bit patterns', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = bfloat16ToNumber(bits)
      if (Number.isFinite(value) && numberToBfloat16(value) !== bits)
        throw new Error(`0x${bits.toString(16)} is ${value}`)
    }
  })

  it('rounds ties to even', () => {
    expect(numberToBfloat16(1 + 2 ** -8)).toBe(0x3f80)
    expect(numberToBfloat16(1 + 3 * 2 ** -8)).toBe(0x3f82)
  })
})

describe('the dtype table', () => {
  it('decodes q8_0 and q4_0 blocks as their definitions say', () => {
    const q8 = new Uint8Array(34)
    q8.set([0x00, 0x38]) // 0.5
    q8.set(
      Array.from({ length: 32 }, (_, i) => (i - 16) & 255),
      2,
    )
    expect([...decodeTensor('q8_0', q8, 32)]).toEqual(Array.from({ length: 32 }, (_, i) => (i - 16) / 2))
    const q4 = new Uint8Array(18)
    q4.set([0x00, 0xc0]) // -2
    q4.set(
      Array.from({ length: 16 }, (_, i) => i | ((15 - i) << 4)),
      2,
    )
    const values = [...decodeTensor('q4_0', q4, 32)]
    expect(values.slice(0, 16)).toEqual(Array.from({ length: 16 }, (_, i) => -2 * (i - 8)))
    expect(values.slice(16)).toEqual(Array.from({ length: 16 }, (_, i) => -2 * (7 - i)))
  })

  it('gives a size only for whole blocks', () => {
    expect(bytesOf('q8_0', 64)).toBe(68)
    expect(bytesOf('q8_0', 33)).toBeUndefined()
    expect(bytesOf('f32', 3)).toBe(12)
  })

  it('finds each row by the names that files give it', () => {
    for (const name of dtypeNames) {
      const { gguf, safetensors } = dtypes[name]
      if (gguf !== null) expect(dtypeFromGguf(gguf)).toBe(name)
      if (safetensors !== null) expect(dtypeFromSafetensors(safetensors)).toBe(name)
    }
    expect(dtypeFromGguf(9999)).toBeUndefined()
  })
})
