import { beforeAll, describe, expect, it } from 'vitest'
import { decodeTensor, dtypes } from '../../src/base/dtypes.ts'
import { type BufferParameter, ownItems, pieceElements } from '../../src/kernels/kernel.ts'
import { kernels } from '../../src/kernels/registry.ts'
import { openKernels } from './buildKernels.ts'
import type { CallResult, KernelCall, KernelRunner } from './kernelCall.ts'
import {
  callOf,
  casesOf,
  type KernelCase,
  ownBytes,
  type PackedBuffers,
  rowAxis,
  rowOf,
  valuesOf,
} from './kernelCases.ts'
import type { KernelTarget } from './kernelTargets.ts'
import { collect, writtenBuffers } from './placement.ts'
import type { Reference } from './references/reference.ts'
import { references } from './references.ts'

const table: { readonly [name: string]: Reference } = references

type Outputs = ReturnType<Reference['compute']>
const known = new Map<string, readonly { test: KernelCase; expected: Outputs }[]>()

/** The cases of a kernel with what its reference says. Targets of equal lanes share them. */
function judged(name: string, lanes: number) {
  const key = `${name} ${lanes}`
  const reference = table[name]!
  const cases =
    known.get(key) ??
    casesOf(kernels.get(name)!, reference, lanes).map((test) => ({
      test,
      expected: reference.compute(valuesOf(test), test.dims, test.attributes),
    }))
  known.set(key, cases)
  return cases
}

/**
 * Declares the tests of every kernel on a target: its results are those of the reference, and equal bits in any parts, for
 * a row alone, in place, and where a part sees its own items only.
 */
export function judgeKernels(target: KernelTarget): void {
  const names = [...kernels.values()]
    .filter(({ family }) => !target.only || target.only.some((name) => name === family))
    .map(({ name }) => name)
  const title = target.missing ? `kernels of ${target.name} (${target.missing})` : `kernels of ${target.name}`
  describe.skipIf(target.missing)(title, () => {
    let runner: KernelRunner
    const cases = (name: string) => judged(name, target.lanes).map(({ test }) => test)
    const packed: PackedBuffers = new WeakMap()
    const callFor = (test: KernelCase) => callOf(test, target.lanes, packed)
    const run = (calls: readonly KernelCall[]) => runner.run(calls)
    const outputs = (test: KernelCase, result: CallResult) =>
      Object.fromEntries(
        writtenBuffers(test.kernel).map((name) => {
          const { dense, gapWritten } = collect(
            test.kernel.buffers[name]!,
            test.dims,
            target.lanes,
            result.buffers[name]!,
          )
          if (gapWritten) fail(test, `wrote between the rows of ${name}`)
          return [name, dense]
        }),
      )

    beforeAll(async () => {
      runner = await openKernels(target)
      return () => runner.close()
    })

    it.each(names)('%s agrees with its reference', (name) => {
      const tests = judged(name, target.lanes)
      const results = run(tests.map(({ test }) => callFor(test)))
      tests.forEach(({ test, expected }, i) => {
        for (const [buffer, bytes] of Object.entries(outputs(test, results[i]!)))
          expectClose(test, buffer, bytes, expected[buffer]!, table[name]!.epsilons)
      })
    })

    it.each(names)('%s gives equal bits in any parts, in any order', (name) => {
      const tests = cases(name)
      const ways = [{}, { parts: 2 }, { parts: 5 }, { parts: 3, order: [2, 0, 1] }]
      const results = run(tests.flatMap((test) => ways.map((way) => ({ ...callFor(test), ...way }))))
      tests.forEach((test, i) => {
        const [whole, ...others] = results.slice(i * ways.length, (i + 1) * ways.length)
        for (const other of others) expectSame(test, other.buffers, whole!.buffers)
      })
    })

    const ofRows = names.filter((name) => rowAxis(kernels.get(name)!) && !table[name]!.isScattered)
    it.each(ofRows)('%s gives a row the same bits alone', (name) => {
      const axis = rowAxis(kernels.get(name)!)!
      const tests = cases(name).filter((test) => test.dims[axis]! > 1)
      const rows = tests.flatMap((test) => Array.from({ length: test.dims[axis]! }, (_, row) => rowOf(test, axis, row)))
      const whole = run(tests.map((test) => callFor(test)))
      const alone = run(rows.map((test) => callFor(test)))
      let at = 0
      tests.forEach((test, i) => {
        const all = outputs(test, whole[i]!)
        const parts = rows.slice(at, at + test.dims[axis]!).map((row, t) => outputs(row, alone[at + t]!))
        at += parts.length
        const joined = (buffer: string) => Buffer.concat(parts.map((part) => part[buffer]!))
        expectSame(test, Object.fromEntries(Object.keys(all).map((buffer) => [buffer, joined(buffer)])), all)
      })
    })

    it.each(names.filter((name) => kernels.get(name)!.inPlace.length))('%s works in place', (name) => {
      const { inPlace, buffers } = kernels.get(name)!
      for (const [written, read] of inPlace) {
        const stride = buffers[read]!.rowStride
        // A row for all rows is never written to.
        const given = cases(name).filter((test) => test.dense[read] !== null && !(stride && test.dims[stride] === 0))
        const tests = given.map((test) =>
          stride ? { ...test, dims: { ...test.dims, [buffers[written]!.rowStride!]: test.dims[stride]! } } : test,
        )
        const apart = run(tests.map((test) => callFor(test)))
        const together = run(tests.map((test) => ({ ...callFor(test), inPlace: [[written, read]] })))
        tests.forEach((test, i) => {
          expectSame(test, outputs(test, together[i]!), outputs(test, apart[i]!))
        })
      }
    })

    const inPieces = names.filter((name) => Object.values(kernels.get(name)!.buffers).some(isInPieces))
    it.each(inPieces)('%s keeps to its piece of the scratch', (name) => {
      const [argument, { shape }] = Object.entries(kernels.get(name)!.buffers).find(([, buffer]) => isInPieces(buffer))!
      const [part, parts] = [1, 3]
      const tests = cases(name)
      const results = run(tests.map((test) => ({ ...callFor(test), parts, order: [part] })))
      let used = 0
      tests.forEach(({ dims }, i) => {
        const piece = 4 * pieceElements(dims[String(shape[0])]!, parts)
        const scratch = results[i]!.scratch[argument]!
        const outside = [scratch.subarray(0, part * piece), scratch.subarray((part + 1) * piece)]
        expect(outside.every((bytes) => bytes.every((byte) => byte === 0xff))).toBe(true)
        if (scratch.some((byte) => byte !== 0xff)) used++
      })
      expect(used).toBeGreaterThan(0)
    })

    it.each(names.filter((name) => kernels.get(name)!.split.own.length))('%s keeps to its own items', (name) => {
      const { split, buffers } = kernels.get(name)!
      const tests = cases(name).filter((test) => ownItems(split, (dim) => test.dims[dim]!))
      expect(tests.length).toBeGreaterThan(0)
      const whole = run(tests.map((test) => callFor(test)))
      for (const [part, parts] of [
        [0, 2],
        [1, 3],
        [2, 3],
      ] as const) {
        // What the part may not read is 0xFF: NaN, or an index far outside.
        const poisoned = tests.map((test) => {
          const dense = { ...test.dense }
          // Rows that all lie at one place are no part's own.
          const isShared = ({ rowStride }: BufferParameter<string>) => rowStride && test.dims[rowStride] === 0
          for (const own of split.own.filter((buffer) => dense[buffer] && !isShared(buffers[buffer]!))) {
            const [begin, end] = ownBytes(test, own, part, parts)
            dense[own] = poisonedBut(dense[own]!, begin, end)
          }
          return { ...test, dense }
        })
        const alone = run(poisoned.map((test) => ({ ...callFor(test), parts, order: [part] })))
        tests.forEach((test, i) => {
          const [all, own] = [outputs(test, whole[i]!), outputs(test, alone[i]!)]
          for (const buffer of split.own.filter((written) => buffers[written]!.access !== 'read')) {
            const [begin, end] = ownBytes(test, buffer, part, parts)
            expectSame(test, { [buffer]: own[buffer]! }, { [buffer]: poisonedBut(all[buffer]!, begin, end) })
          }
        })
      }
    })
  })
}

const isInPieces = ({ scratch }: BufferParameter<string>) => scratch === 'pieces'

function expectSame(
  test: KernelCase,
  actual: { readonly [buffer: string]: Uint8Array },
  expected: { readonly [buffer: string]: Uint8Array },
) {
  for (const [name, bytes] of Object.entries(expected))
    if (Buffer.compare(actual[name]!, bytes) !== 0) fail(test, `${name} has other bytes than expected`)
}

/** Ends the test. An expectation per case, of which there are very many, would take longer than the kernels. */
function fail({ kernel, dims }: KernelCase, what: string): never {
  throw new Error(`${kernel.name} ${JSON.stringify(dims)}: ${what}`)
}

/** The bytes with all but [begin, end) as 0xFF. */
function poisonedBut(bytes: Uint8Array, begin: number, end: number): Uint8Array {
  const [from, to] = [Math.ceil(begin), Math.ceil(end)]
  const out = new Uint8Array(bytes.length).fill(0xff)
  out.set(bytes.subarray(from, to), from)
  return out
}

function expectClose(
  test: KernelCase,
  name: string,
  bytes: Uint8Array,
  expected: Float64Array | Uint8Array,
  epsilons: number,
) {
  if (expected instanceof Uint8Array) return expectSame(test, { [name]: bytes }, { [name]: expected })
  const actual = decodeTensor(test.kernel.buffers[name]!.dtype, bytes, expected.length)
  let largest = 0
  let error = 0
  let errorSquares = 0
  let squares = 0
  for (let i = 0; i < expected.length; i++) {
    const value = expected[i]!
    const difference = Math.abs(actual[i]! - value)
    // NaN counts as an infinite error, so that Math.max cannot lose it.
    error = Math.max(error, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference)
    largest = Math.max(largest, Math.abs(value))
    errorSquares += difference ** 2
    squares += value ** 2
  }
  const bound = epsilons * dtypes.f32.epsilon * largest
  if (!(error <= bound)) fail(test, `${name} has an error of ${error}; accepted: at most ${bound}`)
  if (epsilons > 0 && squares > 0 && !(errorSquares / squares <= 1e-12))
    fail(test, `${name} has an NMSE of ${errorSquares / squares}; accepted: at most 1e-12`)
}
