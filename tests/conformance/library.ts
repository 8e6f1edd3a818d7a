import koffi from 'koffi'
import type { Kernel } from '../../src/kernels/kernel.ts'
import {
  argumentsOf,
  type CallResult,
  type KernelCall,
  type KernelRunner,
  orderOf,
  refuseWritten,
} from './kernelCall.ts'

const guardBytes = 128
const guardByte = 0xa5

/** Runs calls in this process, from a shared library of kernels. Guard zones lie around every buffer. */
export function openLibrary(path: string, lanes: number): KernelRunner {
  const library = koffi.load(path)
  const functions = new Map<string, (...values: unknown[]) => unknown>()
  const functionOf = (kernel: Kernel) => {
    const known = functions.get(kernel.name) ?? library.func(signature(kernel))
    functions.set(kernel.name, known)
    return known
  }
  return {
    lanes,
    run: (calls) => calls.map((call) => runCall(functionOf(call.kernel), call, lanes)),
    close: async () => {},
  }
}

function signature(kernel: Kernel): string {
  const parameters = [
    ...['int part', 'int parts'],
    ...kernel.dims.map((dim) => `int64_t ${dim}`),
    ...Object.entries(kernel.attributes).map(([name, type]) => `${type} ${name}`),
    ...Object.keys(kernel.buffers).map((name) => `void *${name}`),
  ]
  return `void ck_${kernel.name}(${parameters.join(', ')})`
}

function runCall(run: (...values: unknown[]) => unknown, call: KernelCall, lanes: number): CallResult {
  const args = argumentsOf(call, lanes)
  // Weights begin at multiples of 64 bytes; other buffers are moved on by 4, for kernels promise nothing better.
  let end = 64
  const places = new Map<string, number>()
  for (const { name, initial, sameAs } of args) {
    if (!initial || sameAs !== name) continue
    const layout = call.kernel.buffers[name]!.layout ?? 'rows'
    const at = end + guardBytes + (layout === 'panels' || layout === 'panelPairs' ? 0 : 4)
    places.set(name, at)
    end = Math.ceil((at + initial.length + guardBytes) / 64) * 64
  }
  const memory = new Uint8Array(end + 64).fill(guardByte)
  const base = koffi.address(memory)
  const shift = Number((64n - (base % 64n)) % 64n)
  const view = (name: string, bytes: number) => memory.subarray(shift + places.get(name)!).subarray(0, bytes)
  for (const { name, initial, sameAs } of args) if (initial && sameAs === name) view(name, initial.length).set(initial)
  const pointers = args.map(({ initial, sameAs }) => (initial ? base + BigInt(shift + places.get(sameAs)!) : null))
  const values = [
    ...call.kernel.dims.map((dim) => call.dims[dim]),
    ...Object.keys(call.kernel.attributes).map((name) => call.attributes?.[name]),
  ]
  for (const part of orderOf(call)) run(part, call.parts ?? 1, ...values, ...pointers)

  const buffers: { [name: string]: Uint8Array } = {}
  const scratch: typeof buffers = {}
  for (const argument of args) {
    if (!argument.initial) continue
    const after = view(argument.sameAs, argument.initial.length).slice()
    if (argument.readOnly && Buffer.compare(argument.initial, after) !== 0) refuseWritten(call, argument.name)
    const among = call.kernel.buffers[argument.name]!.scratch ? scratch : buffers
    among[argument.name] = after
    const from = shift + places.get(argument.sameAs)!
    for (const zone of [
      memory.subarray(from - guardBytes, from),
      memory.subarray(from + after.length).subarray(0, guardBytes),
    ])
      if (zone.some((byte) => byte !== guardByte))
        throw new Error(`${call.kernel.name}: wrote outside ${argument.name} ${JSON.stringify(call.dims)}`)
  }
  return { buffers, scratch }
}
