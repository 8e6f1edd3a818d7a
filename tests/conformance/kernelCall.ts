import type { Kernel } from '../../src/kernels/kernel.ts'
import { type Dims, placedBytes } from './placement.ts'

/** One call of a kernel, in parts that run one after the other. */
export interface KernelCall {
  readonly kernel: Kernel
  readonly dims: Dims
  readonly attributes?: { readonly [name: string]: number }
  /**
   * Bytes as the kernel sees them (`place`), of every buffer that it reads or updates; null: NULL. Buffers that it
   * writes are filled with 0xFF, unless given here.
   */
  readonly buffers: { readonly [name: string]: Uint8Array | null }
  /** Default 1. */
  readonly parts?: number
  /** Which parts run, in this order. Default: all, from 0. */
  readonly order?: readonly number[]
  /** Pairs (written, read) that are the same bytes. */
  readonly inPlace?: readonly (readonly [string, string])[]
}

/** The bytes of each buffer after the call, in the order of the declaration; NULL ones are left out. */
export interface CallResult {
  readonly buffers: { readonly [name: string]: Uint8Array }
  readonly scratch: { readonly [name: string]: Uint8Array }
}

/** Runs calls for one target. Throws where a call wrote to what it may only read, or beyond a buffer. */
export interface KernelRunner {
  readonly lanes: number
  run(calls: readonly KernelCall[]): CallResult[]
  /** Ends what it started. */
  close(): Promise<void>
}

/** A buffer of a call before it runs. */
export interface Argument {
  readonly name: string
  readonly initial: Uint8Array | null
  /** The written buffer whose bytes this read one is, or itself. */
  readonly sameAs: string
  readonly readOnly: boolean
}

/** The buffers of a call in the order of the C parameters. */
export function argumentsOf(call: KernelCall, lanes: number): Argument[] {
  return Object.entries(call.kernel.buffers).map(([name, buffer]) => {
    const written = call.inPlace?.find(([, read]) => read === name)?.[0]
    const read = call.inPlace?.find(([to]) => to === name)?.[1]
    const given = call.buffers[read ?? name]
    if (given === undefined && buffer.access !== 'write') throw new Error(`${call.kernel.name}: ${name} is not given`)
    return {
      name,
      initial: given === undefined ? new Uint8Array(placedBytes(buffer, call.dims, lanes)).fill(0xff) : given,
      sameAs: written ?? name,
      readOnly: buffer.access === 'read' && !written,
    }
  })
}

/** The parts of a call in the order they run. */
export function orderOf(call: KernelCall): readonly number[] {
  return call.order ?? Array.from({ length: call.parts ?? 1 }, (_, part) => part)
}

/** Refuses a result in which `buffer`, which the kernel may only read, has changed. */
export function refuseWritten(call: KernelCall, buffer: string): never {
  throw new Error(`${call.kernel.name}: wrote to ${buffer}, which it may only read`)
}
