import { describe, expect, it } from 'vitest'
import { bytesOf, decodeTensor, dtypes, numberToHalf, weightDtypes } from '../base/dtypes.ts'
import { packPanel, panelBytes, panelsBytes, unpackPanel } from './layouts.ts'

/** Random bytes of a checkpoint row that decode to finite values. */
function randomRows(dtype: (typeof weightDtypes)[number], elements: number, seed: number): Uint8Array {
  let state = seed
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 8
  }
  const bytes = new Uint8Array(bytesOf(dtype, elements)!)
  for (let i = 0; i < bytes.length; i++) bytes[i] = next()
  const view = new DataView(bytes.buffer)
  const { blockBytes, scales } = dtypes[dtype]
  for (let at = 0; at < bytes.length; at += blockBytes) {
    if (dtype === 'f32') view.setFloat32(at, next() / 2 ** 20 - 8, true)
    else if (dtype === 'bf16') view.setUint16(at, view.getUint16(at, true) & 0xbfff, true)
    else if (dtype === 'f16') view.setUint16(at, numberToHalf(next() / 2 ** 20 - 8), true)
    for (const scale of scales) {
      if (scale.type === 'e8m0') bytes[at + scale.at] = next() % 255
      else view.setUint16(at + scale.at, numberToHalf(next() / 2 ** 20 - 8), true)
    }
  }
  return bytes
}

describe.each(weightDtypes)('a panel of %s', (dtype) => {
  it.each([4, 8, 16])('of %d lanes unpacks to the values that decodeTensor gives', (lanes) => {
    for (const blocks of [1, 3, 7]) {
      const cols = blocks * Math.max(32, dtypes[dtype].blockElements)
      for (const rows of [1, lanes - 1, lanes]) {
        const source = randomRows(dtype, rows * cols, lanes + cols + rows)
        const expected = decodeTensor(dtype, source, rows * cols)
        const bytes = panelBytes(dtype, lanes, cols)
        expect(bytes % 64).toBe(0)
        const out = new Uint8Array(64 + bytes + 64).fill(0xaa)
        packPanel(dtype, lanes, cols, source, rows, out, 64)
        const unpacked = unpackPanel(dtype, lanes, cols, out, 64)
        for (let row = 0; row < rows; row++)
          expect(unpacked[row]).toEqual(expected.subarray(row * cols, (row + 1) * cols))
        for (let row = rows; row < lanes; row++) expect(unpacked[row]!.every((value) => value === 0)).toBe(true)
        expect(out.subarray(0, 64).every((byte) => byte === 0xaa)).toBe(true)
        expect(out.subarray(64 + bytes).every((byte) => byte === 0xaa)).toBe(true)
      }
    }
  })

  it('is the same from a source at an odd address', () => {
    const source = randomRows(dtype, 16 * 256, 7)
    const moved = new Uint8Array(source.length + 1).subarray(1)
    moved.set(source)
    const [a, b] = [source, moved].map((bytes) => {
      const out = new Uint8Array(panelBytes(dtype, 16, 256))
      packPanel(dtype, 16, 256, bytes, 16, out, 0)
      return out
    })
    expect(a).toEqual(b)
  })

  it('leaves no byte of the old contents', () => {
    const source = randomRows(dtype, 3 * 256, 7)
    const [a, b] = [0, 255].map((old) => {
      const out = new Uint8Array(panelBytes(dtype, 4, 256)).fill(old)
      packPanel(dtype, 4, 256, source, 3, out, 0)
      return out
    })
    expect(a).toEqual(b)
  })
})

it.each(weightDtypes)('a panel of %s takes at most a twentieth more than the checkpoint', (dtype) => {
  expect(panelBytes(dtype, 16, 1024)).toBeLessThanOrEqual(1.05 * bytesOf(dtype, 16 * 1024)!)
})

it('counts padded rows in the bytes of a matrix', () => {
  expect(panelsBytes('f32', 16, 17, 3)).toBe(2 * panelBytes('f32', 16, 3))
  expect(panelBytes('q8_0', 16, 1024)).toBe(32 * 16 * 2 + 1024 * 16)
  expect(panelBytes('q4_0', 4, 32)).toBe(64 + 64)
})
