import { beforeAll, describe, expect, it } from 'vitest'
import { bfloat16ToNumber, halfToNumber, numberToBfloat16, numberToHalf } from '../../src/base/dtypes.ts'
import type { Kernel } from '../../src/kernels/kernel.ts'
import { openKernels } from './buildKernels.ts'
import type { KernelRunner } from './kernelCall.ts'
import { kernelTargets } from './kernelTargets.ts'
import {
  probeBfloat,
  probeDot,
  probeExp,
  probeExpNonpositive,
  probeHalf,
  probeSigmoid,
  probeTanh,
} from './probe.kernel.ts'
import { seededRandom } from './random.ts'

const bytesOfFloats = (values: ArrayLike<number>) => new Uint8Array(Float32Array.from(values).buffer)

/** Distance of the f32 `actual` from the exact `expected` in units of the last place of the latter. */
function ulps(actual: number, expected: number): number {
  const exponent = Math.max(-126, Math.floor(Math.log2(expected)))
  return Math.abs(actual - expected) / 2 ** (exponent - 23)
}

for (const target of kernelTargets.filter(({ only }) => !only?.includes('linear') || only.includes('embedding'))) {
  const title = target.missing ? `vectors of ${target.name} (${target.missing})` : `vectors of ${target.name}`
  describe.skipIf(target.missing)(title, () => {
    let runner: KernelRunner
    beforeAll(async () => {
      runner = await openKernels(target)
      return () => runner.close()
    })

    function mapped(kernel: Kernel, x: Float32Array): Float32Array {
      const call = { kernel, dims: { count: x.length }, buffers: { x: bytesOfFloats(x) } }
      return new Float32Array(runner.run([call])[0]!.buffers.y!.buffer)
    }

    it('raises e to any power within 2 ulp', () => {
      const count = 300_001
      const x = Float32Array.from({ length: count }, (_, i) => -87.3 + (i / (count - 1)) * (88.7 + 87.3))
      const y = mapped(probeExp, x)
      let worst = 0
      for (let i = 0; i < count; i++) worst = Math.max(worst, ulps(y[i]!, Math.exp(x[i]!)))
      expect(worst).toBeLessThanOrEqual(2)
    })

    it('raises e to the edges of the range', () => {
      const { POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY, NaN: nan } = Number
      const y = mapped(probeExp, Float32Array.of(0, -0, NEGATIVE_INFINITY, -1e30, -104, -95, 89, infinity, nan))
      expect([...y.subarray(0, 5)]).toEqual([1, 1, 0, 0, 0])
      expect(ulps(y[5]!, Math.exp(-95))).toBeLessThanOrEqual(1)
      expect([...y.subarray(6)]).toEqual([infinity, infinity, nan])
    })

    it('raises e to powers up to 0 with the bits of any power, and gives 0 from -87.7 on', () => {
      const { NEGATIVE_INFINITY, NaN: nan } = Number
      const x = Float32Array.from({ length: 100_001 }, (_, i) => -i * 0.000873)
      expect(mapped(probeExpNonpositive, x)).toEqual(mapped(probeExp, x))
      const edges = mapped(probeExpNonpositive, Float32Array.of(0, -0, -87.7, -88, -1e30, NEGATIVE_INFINITY, nan))
      expect([...edges]).toEqual([1, 1, 0, 0, 0, 0, nan])
    })

    it('gives the sigmoid within 4 ulp, and its edges', () => {
      const { POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY, NaN: nan } = Number
      const x = Float32Array.from({ length: 100_001 }, (_, i) => -87 + i * 0.00107)
      const y = mapped(probeSigmoid, x)
      let worst = 0
      for (let i = 0; i < x.length; i++) worst = Math.max(worst, ulps(y[i]!, 1 / (1 + Math.exp(-x[i]!))))
      expect(worst).toBeLessThanOrEqual(4)
      const edges = mapped(probeSigmoid, Float32Array.of(0, -0, 1e30, infinity, -1e30, NEGATIVE_INFINITY, nan))
      expect([...edges]).toEqual([0.5, 0.5, 1, 1, 0, 0, nan])
    })

    it('gives the hyperbolic tangent within 3 ulp, of small numbers too, and the same of -x', () => {
      const count = 100_001
      const wide = Array.from({ length: count }, (_, i) => (i / (count - 1)) * 12)
      const small = Array.from({ length: 2000 }, (_, i) => 2 ** (-i / 20))
      const x = Float32Array.from([...wide, ...small])
      const y = mapped(probeTanh, x)
      let worst = 0
      for (let i = 1; i < x.length; i++) worst = Math.max(worst, ulps(y[i]!, Math.tanh(x[i]!)))
      expect(worst).toBeLessThanOrEqual(3)
      const negative = mapped(
        probeTanh,
        x.map((value) => -value),
      )
      expect(negative.every((value, i) => Object.is(value, -y[i]!))).toBe(true)
      const { POSITIVE_INFINITY: infinity, NaN: nan } = Number
      expect([...mapped(probeTanh, Float32Array.of(0, -0, infinity, -infinity, 1e30, nan))]).toEqual([
        0,
        -0,
        1,
        -1,
        1,
        nan,
      ])
    })

    it('sums products of 8-bit codes without an error, the largest ones too', () => {
      const { lanes } = target
      const random = seededRandom(7)
      for (const groups of [1, 3, 8, 500]) {
        for (const extreme of [false, true]) {
          const w = Uint8Array.from({ length: 4 * lanes * groups }, () =>
            extreme ? [0, 127, 128, 255][random.whole(4)]! : random.whole(256),
          )
          const x = Int8Array.from({ length: 4 * groups }, () =>
            extreme ? 127 * (1 - 2 * random.whole(2)) : random.whole(255) - 127,
          )
          const call = {
            kernel: probeDot,
            dims: { groups, lanes },
            buffers: { w, x: new Uint8Array(x.buffer) },
          }
          const { wide, small } = runner.run([call])[0]!.buffers
          const dot = (lane: number, weight: (code: number) => number) =>
            x.reduce((sum, code, i) => sum + code * weight(w[((i >> 2) * lanes + lane) * 4 + (i & 3)]!), 0)
          const lane = Array.from({ length: lanes }, (_, i) => i)
          expect([...new Int32Array(wide!.slice().buffer)]).toEqual(lane.map((i) => dot(i, (code) => code - 128)))
          expect([...new Int32Array(small!.slice().buffer)]).toEqual(lane.map((i) => dot(i, (code) => code & 127)))
        }
      }
    })

    it('rounds to binary16 and back as the dtype table does', () => {
      const halves = Array.from({ length: 0x7c00 }, (_, bits) => halfToNumber(bits))
      const between = halves.slice(1).map((value, i) => (value + halves[i]!) / 2)
      const near = between.flatMap((value) => [
        Math.fround(value * (1 - 2 ** -20)),
        Math.fround(value * (1 + 2 ** -20)),
      ])
      const large = [65519, 65520, 1e6, Number.POSITIVE_INFINITY, 1e-9, 2 ** -25, 2 ** -24 * 1.5]
      const positive = [...halves, ...between, ...near, ...large].map(Math.fround)
      const x = Float32Array.from([...positive, ...positive.map((value) => -value), Number.NaN])
      const call = { kernel: probeHalf, dims: { count: x.length }, buffers: { x: bytesOfFloats(x) } }
      const { half, back } = runner.run([call])[0]!.buffers
      const bits = new Uint16Array(half!.buffer)
      const floats = new Float32Array(back!.buffer)
      const wrong = [...x].filter(
        (value, i) => bits[i] !== numberToHalf(value) || !Object.is(floats[i], halfToNumber(bits[i]!)),
      )
      expect(wrong).toEqual([])
    })

    it('rounds to bfloat16 and back as the dtype table does, ties to even and not-a-number to one', () => {
      const words = Array.from({ length: 0x800 }, (_, i) => bfloat16ToNumber((i * 37) % 0x7f80))
      const next = words.map((value) => bfloat16ToNumber(numberToBfloat16(value) + 1))
      const between = words.map((value, i) => (value + next[i]!) / 2)
      const near = between.flatMap((value) => [value * (1 - 2 ** -20), value * (1 + 2 ** -20)])
      const large = [3.3961e38, 3.4e38, Number.POSITIVE_INFINITY, 1e-45, 2 ** -133, 2 ** -134]
      const positive = [...words, ...between, ...near, ...large].map(Math.fround)
      const x = Float32Array.from([...positive, ...positive.map((value) => -value), Number.NaN])
      const call = { kernel: probeBfloat, dims: { count: x.length }, buffers: { x: bytesOfFloats(x) } }
      const { half, back } = runner.run([call])[0]!.buffers
      const bits = new Uint16Array(half!.buffer)
      const floats = new Float32Array(back!.buffer)
      const wrong = [...x].filter(
        (value, i) => bits[i] !== numberToBfloat16(value) || !Object.is(floats[i], bfloat16ToNumber(bits[i]!)),
      )
      expect(wrong).toEqual([])
    })
  })
}
