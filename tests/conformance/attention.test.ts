import { beforeAll, describe, expect, it } from 'vitest'
import { decodeTensor } from '../../src/base/dtypes.ts'
import {
  attentionForward,
  attentionMergeForward,
  attentionSegmentsForward,
} from '../../src/kernels/attention/attention.kernel.ts'
import { cacheKeysForward, cacheValuesForward } from '../../src/kernels/cache/cache.kernel.ts'
import { attendTo, firstAttended } from '../../src/ops/attentionRows.ts'
import { openKernels } from './buildKernels.ts'
import type { KernelRunner } from './kernelCall.ts'
import { kernelTargets } from './kernelTargets.ts'
import { collect, place } from './placement.ts'
import { seededRandom } from './random.ts'

const dtypes = ['f32', 'f16', 'q8_0'] as const
const [heads, kvHeads, width] = [3, 1, 32]
const scale = 0.2
/** Of the runs with a window. */
const someCap = 1.5

const floats = (count: number, next: () => number) => Float32Array.from({ length: count }, next)
const bytesOf = (values: Float32Array | Int32Array) => new Uint8Array(values.buffer)
const numbers = (bytes: Uint8Array) => new Float32Array(bytes.slice().buffer)

describe.each(kernelTargets.filter(({ name, only }) => !only && !/sanitizers|dotprod|^x86-64-v4$/.test(name)))(
  'attention over a long cache on $name',
  (target) => {
    const { lanes } = target
    let runner: KernelRunner

    beforeAll(async () => {
      if (target.missing) return
      runner = await openKernels(target)
      return () => runner.close()
    })

    /** Caches of `context` positions, written by the kernels from random rows. */
    function write(dtype: (typeof dtypes)[number], context: number) {
      const random = seededRandom(context)
      const dims = { tokens: context, heads: kvHeads, width, context, sequenceCount: 1, xRow: width }
      const buffers = {
        positions: bytesOf(Int32Array.from({ length: context }, (_, i) => i)),
        sequences: bytesOf(new Int32Array(context)),
      }
      const cacheOf = (kernel: (typeof cacheKeysForward)[typeof dtype] | (typeof cacheValuesForward)[typeof dtype]) => {
        const x = bytesOf(floats(context * width, () => random.normal()))
        const parameter = kernel.buffers.cache
        const empty = new Uint8Array(((context * width) / 32) * { f32: 128, f16: 64, q8_0: 34 }[dtype])
        const cache = place(parameter, dims, lanes, empty)
        const placed = runner.run([{ kernel, dims, buffers: { ...buffers, x, cache } }])[0]!.buffers.cache!
        const dense = collect(parameter, dims, lanes, placed).dense
        return { placed, values: decodeTensor(dtype, dense, context * width) }
      }
      return { keys: cacheOf(cacheKeysForward[dtype]), values: cacheOf(cacheValuesForward[dtype]) }
    }

    const known = new Map<string, ReturnType<typeof write>>()
    function written(dtype: (typeof dtypes)[number], context: number) {
      const key = `${dtype} ${context}`
      const caches = known.get(key) ?? write(dtype, context)
      known.set(key, caches)
      return caches
    }

    it.skipIf(target.missing).each(dtypes.flatMap((dtype) => [0, 1300].map((window) => [dtype, window] as const)))(
      'of %s with window %i gives the bits of the whole from segments in any parts, and the numbers of the definition',
      (dtype, window) => {
        const context = 40960
        const { keys, values } = written(dtype, dtype === 'f32' ? 3136 : context)
        const size = dtype === 'f32' ? 3136 : context
        const positions = [size - 1, 1023, size - 2, 1024, 0]
        const tokens = positions.length
        const random = seededRandom(7)
        const q = floats(tokens * heads * width, () => random.normal())
        const dims = { tokens, heads, kvHeads, width, context: size, sequenceCount: 1, qRow: heads * width }
        const inputs = {
          q: bytesOf(q),
          keys: keys.placed,
          values: values.placed,
          positions: bytesOf(Int32Array.from(positions)),
          sequences: bytesOf(new Int32Array(tokens)),
        }
        const softCap = window ? someCap : 0
        const attributes = { scale, window, softCap }
        const yRow = heads * width
        const whole = runner.run([
          { kernel: attentionForward[dtype], dims: { ...dims, yRow }, attributes, buffers: inputs },
        ])[0]!.buffers.y!
        const segments = Math.ceil(size / 1024)
        for (const parts of [1, 3, 7]) {
          const [apart] = runner.run([
            {
              kernel: attentionSegmentsForward[dtype],
              dims: { ...dims, segments },
              attributes,
              buffers: inputs,
              parts,
            },
          ])
          const { sums, states } = apart!.buffers
          const [merged] = runner.run([
            {
              kernel: attentionMergeForward,
              dims: { tokens, heads, width, segments, yRow },
              attributes: { window },
              buffers: { sums: sums!, states: states!, positions: inputs.positions },
              parts,
            },
          ])
          expect(Buffer.compare(merged!.buffers.y!, whole), `${parts} parts`).toBe(0)
        }
        const expected = new Float64Array(q.length)
        const queries = Float64Array.from(q)
        const row = (u: number) => u * width
        for (let at = 0; at < tokens * heads; at++) {
          const position = positions[Math.floor(at / heads)]!
          const first = firstAttended(position, window)
          attendTo(
            queries,
            at * width,
            width,
            { scale: Math.fround(scale), softCap },
            first,
            position + 1,
            keys.values,
            row,
            values.values,
            row,
            expected,
          )
        }
        const found = numbers(whole)
        const error = expected.reduce((sum, value, i) => sum + (value - found[i]!) ** 2, 0)
        expect(error / expected.reduce((sum, value) => sum + value ** 2, 0)).toBeLessThan(1e-11)
      },
    )

    it.skipIf(target.missing)('gives a q8_0 block with a NaN or beyond the range of its scale a NaN scale', () => {
      const dims = { tokens: 2, heads: 1, width, context: 64, sequenceCount: 1, xRow: width }
      const x = floats(2 * width, () => 1)
      x[3] = Number.NaN
      x[width + 5] = 1e20
      const kernel = cacheKeysForward.q8_0
      const cache = place(kernel.buffers.cache, dims, lanes, new Uint8Array(64 * 34))
      const positions = bytesOf(Int32Array.from([0, 1]))
      const [result] = runner.run([
        { kernel, dims, buffers: { x: bytesOf(x), positions, sequences: bytesOf(new Int32Array(2)), cache } },
      ])
      const { dense } = collect(kernel.buffers.cache, dims, lanes, result!.buffers.cache!)
      const values = decodeTensor('q8_0', dense, 64 * width)
      expect(values.subarray(0, 2 * width).every(Number.isNaN)).toBe(true)
      expect(values.subarray(2 * width).every((value) => value === 0)).toBe(true)
    })
  },
)
