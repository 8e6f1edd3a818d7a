import { expect } from 'vitest'

const bytesOf = (view: ArrayBufferView) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

// `toEqual` goes through arrays of numbers property by property: a hundred times as long as their bytes take. Those that
// differ are left to it, which also says where.
expect.addEqualityTesters([
  (a, b) => {
    if (!ArrayBuffer.isView(a) || !ArrayBuffer.isView(b) || a.constructor !== b.constructor) return undefined
    return Buffer.compare(bytesOf(a), bytesOf(b)) === 0 || undefined
  },
])
