import { decodeTensor, dtypes, numberToHalf } from '../../src/base/dtypes.ts'
import { type BufferParameter, itemCount, itemDim, type Kernel, type Split } from '../../src/kernels/kernel.ts'
import type { KernelCall } from './kernelCall.ts'
import { type Dims, denseBytes, place, shapeOf } from './placement.ts'
import { type Random, seededRandom } from './random.ts'
import { writeRandomBlock } from './randomBlock.ts'
import type { Reference, Values } from './references/reference.ts'

/** A case with its inputs: dense bytes in each buffer's dtype. */
export interface KernelCase {
  readonly kernel: Kernel
  readonly dims: Dims
  readonly attributes: { readonly [name: string]: number }
  readonly dense: { readonly [buffer: string]: Uint8Array | null }
}

/** The cases of a kernel; equal arguments give equal bytes. */
export function casesOf(kernel: Kernel, reference: Reference, lanes: number): KernelCase[] {
  return reference.sizes(lanes).map((dims, seed) => {
    const random = seededRandom(1000 + seed)
    const read = Object.entries(kernel.buffers).filter(([, buffer]) => buffer.access !== 'write')
    const dense = Object.fromEntries(
      read.map(([name, buffer]) => {
        const values = reference.fill?.[name]?.(dims, random)
        if (values === null) return [name, null]
        return [name, values ? encode(buffer, values) : randomBytes(buffer, denseBytes(buffer, dims), random)]
      }),
    )
    const { attributes = {} } = reference
    return { kernel, dims, attributes: typeof attributes === 'function' ? attributes(dims) : attributes, dense }
  })
}

function encode(buffer: BufferParameter<string>, values: ArrayLike<number>): Uint8Array {
  if (values instanceof Uint8Array) return values
  switch (buffer.dtype) {
    case 'f32':
      return new Uint8Array(Float32Array.from(values).buffer)
    case 'i32':
      return new Uint8Array(Int32Array.from(values).buffer)
    case 'f16':
      return new Uint8Array(Uint16Array.from(values, numberToHalf).buffer)
    default:
      throw new Error(`values for ${buffer.dtype} are given as bytes`)
  }
}

/** Random values of a dtype. Blocks have outermost codes often. */
function randomBytes(buffer: BufferParameter<string>, bytes: number, random: Random): Uint8Array {
  const out = new Uint8Array(bytes)
  const view = new DataView(out.buffer)
  for (let at = 0; at < bytes; at += dtypes[buffer.dtype].blockBytes)
    writeRandomBlock(buffer.dtype, view, at, random, random.whole(3) === 0)
  return out
}

/** The inputs in double, for the reference. */
export function valuesOf({ kernel, dense }: KernelCase): Values {
  const given = Object.entries(dense).filter((entry): entry is [string, Uint8Array] => entry[1] !== null)
  return Object.fromEntries(
    given.map(([name, bytes]) => {
      const { dtype } = kernel.buffers[name]!
      return [name, decodeTensor(dtype, bytes, (bytes.length / dtypes[dtype].blockBytes) * dtypes[dtype].blockElements)]
    }),
  )
}

/** Packed weights and caches by their dense bytes: cases of single rows share them. */
export type PackedBuffers = WeakMap<Uint8Array, Uint8Array>

/** The call of a case, its inputs in the layouts of a target. `packed` holds what was packed for these lanes before. */
export function callOf(
  { kernel, dims, attributes, dense }: KernelCase,
  lanes: number,
  packed: PackedBuffers = new WeakMap(),
): KernelCall {
  const placed = (buffer: BufferParameter<string>, bytes: Uint8Array) => {
    // Where rows lie depends on the call.
    if (!buffer.layout || buffer.layout === 'rows') return place(buffer, dims, lanes, bytes)
    const known = packed.get(bytes) ?? place(buffer, dims, lanes, bytes)
    packed.set(bytes, known)
    return known
  }

  const buffers = Object.fromEntries(
    Object.entries(dense).map(([name, bytes]) => [name, bytes && placed(kernel.buffers[name]!, bytes)]),
  )
  return { kernel, dims, attributes, buffers }
}

/** The case of row `row` alone: every buffer with an axis of that name keeps that row only. */
export function rowOf(test: KernelCase, axis: string, row: number): KernelCase {
  const dims = { ...test.dims, [axis]: 1 }
  const dense = Object.fromEntries(
    Object.entries(test.dense).map(([name, bytes]) => {
      const buffer = test.kernel.buffers[name]!
      const at = buffer.shape.indexOf(axis)
      if (!bytes || at < 0) return [name, bytes]
      const outer = shapeOf(buffer, test.dims)
        .slice(0, at)
        .reduce((product, size) => product * size, 1)
      const size = denseBytes(buffer, dims) / outer
      const step = bytes.length / outer
      const rows = Array.from({ length: outer }, (_, i) => bytes.subarray(i * step + row * size).subarray(0, size))
      return [name, new Uint8Array(Buffer.concat(rows))]
    }),
  )
  return { ...test, dims, dense }
}

/**
 * The first axis that all outputs share and that a call may have any number of; undefined: none, or rows that depend on
 * each other.
 */
export function rowAxis(kernel: Kernel): string | undefined {
  if (kernel.mixesRows || Object.values(kernel.buffers).some(({ access }) => access === 'update')) return undefined
  const outputs = Object.values(kernel.buffers).filter(({ access, scratch }) => access === 'write' && !scratch)
  const axis = outputs[0]?.shape[0]
  return typeof axis === 'string' && outputs.every((buffer) => buffer.shape[0] === axis) ? axis : undefined
}

/** All items of a call. */
export function countItems(split: Split, dims: Dims): number {
  return split.items.reduce((all, item) => all * itemCount(item, dims[itemDim(item)]!), 1)
}

/** The items of a part as the share of an own buffer's dense bytes, [begin, end). */
export function ownBytes(test: KernelCase, name: string, part: number, parts: number): readonly [number, number] {
  const buffer = test.kernel.buffers[name]!
  const items = countItems(test.kernel.split, test.dims)
  const bytes = denseBytes(buffer, test.dims)
  // An own buffer may lead with fewer axes than the items have: it then belongs to all items of a row.
  if (items === 0 || shapeOf(buffer, test.dims)[0] === 0) return [0, 0]
  const at = (share: number) => (Math.floor((items * share) / parts) * bytes) / items
  return [at(part), at(part + 1)]
}
