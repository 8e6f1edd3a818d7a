import { beforeAll, describe, expect, it } from 'vitest'
import { bfloat16ToNumber, numberToBfloat16 } from '../../src/base/dtypes.ts'
import { matmulForward } from '../../src/kernels/matmul/matmul.kernel.ts'
import { openKernels } from './buildKernels.ts'
import type { KernelRunner } from './kernelCall.ts'
import { kernelTargets } from './kernelTargets.ts'
import { seededRandom } from './random.ts'

const kernel = matmulForward.nn.f32.f32

for (const target of kernelTargets.filter(({ how, only }) => how === 'library' && !only)) {
  const title = `the matrix product of ${target.name}${target.missing ? ` (${target.missing})` : ''}`
  describe.skipIf(target.missing)(title, () => {
    let runner: KernelRunner
    const { lanes } = target
    const random = seededRandom(5)
    const values = (count: number) => Float32Array.from({ length: count }, () => random.normal())
    const bytes = (array: Float32Array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
    const sizesOf = (rows: number, cols: number, depth: number, room = 1 << 15) => {
      const strides = { aRow: depth, bRow: cols, sumRow: cols, yRow: cols }
      return { rows, cols, depth, bands: cols, room, ...strides }
    }

    beforeAll(async () => {
      runner = await openKernels(target)
      return () => runner.close()
    })

    it('gives the bits of the whole when one part of depth is added to the other', () => {
      const [rows, cols, depth, first] = [14, 3 * lanes + 1, 500, 77]
      const [a, b] = [values(rows * depth), values(depth * cols)]
      const call = (from: number, to: number, sum: Uint8Array | null) => {
        const columns = Array.from({ length: rows }, (_, row) => [...a.subarray(row * depth + from, row * depth + to)])
        const part = { a: bytes(Float32Array.from(columns.flat())), b: bytes(b.slice(from * cols, to * cols)), sum }
        return runner.run([{ kernel, dims: sizesOf(rows, cols, to - from), buffers: part }])[0]!.buffers.y!
      }
      expect(call(first, depth, call(0, first, null))).toEqual(call(0, depth, null))
    })

    it('gives the same bits with any room for scratch', () => {
      const [rows, cols, depth] = [175, 5 * lanes + 2, 900]
      const buffers = { a: bytes(values(rows * depth)), b: bytes(values(depth * cols)), sum: null }
      const results = runner.run(
        [1024, 5000, 60_000, 400_000].map((room) => ({ kernel, dims: sizesOf(rows, cols, depth, room), buffers })),
      )
      for (const { buffers: found } of results.slice(1)) expect(found.y).toEqual(results[0]!.buffers.y)
    })

    it.each(['nn', 'nt', 'tn', 'tt'] as const)('gives bf16 the bits of the same numbers in f32: %s', (form) => {
      const [rows, cols, depth] = [29, 4 * lanes + 3, 461]
      const words = (count: number) => Uint16Array.from(values(count), numberToBfloat16)
      const wide = (array: Uint16Array) => bytes(Float32Array.from(array, bfloat16ToNumber))
      const [a, b] = [words(rows * depth), words(depth * cols)]
      const dims = { ...sizesOf(rows, cols, depth), aRow: form[0] === 'n' ? depth : rows }
      const sum = bytes(values(rows * cols))
      const narrow = { a: new Uint8Array(a.buffer), b: new Uint8Array(b.buffer), sum }
      const widened = { a: wide(a), b: wide(b), sum }
      const { bf16, f32 } = matmulForward[form]
      const all = [
        { kernel: f32.f32, buffers: widened },
        { kernel: bf16.bf16, buffers: narrow },
        { kernel: bf16.f32, buffers: { ...narrow, b: widened.b } },
        { kernel: f32.bf16, buffers: { ...narrow, a: widened.a } },
      ]
      const calls = all.map((each) => ({ ...each, dims: { ...dims, bRow: form[1] === 'n' ? cols : depth } }))
      const [expected, ...found] = runner.run(calls)
      for (const { buffers } of found) expect(buffers.y).toEqual(expected!.buffers.y)
    })

    it('gives each of sixteen parts a sixteenth where there are enough tiles', () => {
      const [rows, cols, depth] = [8 * 12, 8 * 2 * lanes, 3]
      const buffers = { a: bytes(values(rows * depth)), b: bytes(values(depth * cols)), sum: null }
      const calls = Array.from({ length: 16 }, (_, part) => ({
        ...{ kernel, dims: sizesOf(rows, cols, depth), buffers },
        ...{ parts: 16, order: [part] },
      }))
      for (const { buffers: found } of runner.run(calls)) {
        const written = new Uint32Array(found.y!.slice().buffer).filter((word) => word !== 0xffffffff)
        expect(written.length).toBe((rows * cols) / 16)
      }
    })
  })
}
