import { bytesOf, decodeTensor } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import { type Graph, valueTypes } from '../ir/graph.ts'
import { type Tensor, tensor } from '../ir/tensor.ts'
import { type CacheLayout, eachCached, isCacheLayout } from '../kernels/cacheLayouts.ts'
import { type Isa, isas } from '../kernels/kernel.ts'
import { kernels } from '../kernels/registry.ts'
import type { MemoryPlan, PlacedBuffer } from '../plan/planMemory.ts'
import { callsOf, type Program, type ValuePlace } from '../plan/program.ts'

/** Copies bytes of a context's memory. */
export type Peek = (offset: number, bytes: number) => Promise<Uint8Array>

/** Reads the values of a trace step out of a context's memory, as float64 tensors. */
export class TraceReader {
  readonly #types: ReturnType<typeof valueTypes>
  readonly #places: ReadonlyMap<string, ValuePlace>
  readonly #buffers: ReadonlyMap<string, PlacedBuffer>
  readonly #caches: ReadonlyMap<string, CacheLayout>
  readonly #lanes: number
  readonly #symbols: { readonly [symbol: string]: number }
  readonly #peek: Peek

  constructor(graph: Graph, program: Program, plan: MemoryPlan, isa: Isa, tokens: number, peek: Peek) {
    this.#types = valueTypes(graph)
    this.#places = new Map(program.values.map((place) => [place.value, place]))
    this.#buffers = new Map(plan.buffers[program.mode]!.map((buffer) => [buffer.name, buffer]))
    this.#caches = cacheLayouts(program)
    this.#lanes = isas[isa].lanes
    this.#symbols = { tokens, outputs: tokens }
    this.#peek = peek
  }

  /** A value by its name in the graph; dims bound to this step. */
  async read(value: string): Promise<Tensor> {
    const place =
      this.#places.get(value) ?? fail('program_invalid', { where: value, what: 'has no place in the trace' })
    const buffer = this.#buffers.get(place.buffer)!
    const shape = this.#types.get(value)!.shape.map((dim) => (typeof dim === 'string' ? this.#symbols[dim]! : dim))
    const rows = shape[0] ?? 1
    const bytes = await this.#peek(buffer.offset, rows * bytesOf(buffer.dtype, place.rowStride)!)
    const layout = this.#caches.get(buffer.name)
    const dense = layout ? this.#unpackCache(bytes, buffer, layout, shape) : bytes
    const all = decodeTensor(buffer.dtype, dense, rows * place.rowStride)
    const out = tensor(shape)
    for (let row = 0; row < rows; row++) {
      const from = row * place.rowStride + place.column
      out.data.set(all.subarray(from, from + place.columns), row * place.columns)
    }
    return out
  }

  /** A cache [sequences, heads, context, width] row-major. */
  #unpackCache(placed: Uint8Array, { dtype }: PlacedBuffer, layout: CacheLayout, shape: readonly number[]): Uint8Array {
    const [sequences = 0, heads = 0, context = 0, width = 0] = shape
    const out = new Uint8Array(placed.length)
    eachCached(layout, dtype, this.#lanes, [sequences * heads, context, width], (to, from, bytes) => {
      for (let i = 0; i < bytes; i++) out[to + i] = placed[from + i]!
    })
    return out
  }
}

/** The caches by name, in the layout in which kernels take them. */
function cacheLayouts(program: Program): Map<string, CacheLayout> {
  const layouts = new Map<string, CacheLayout>()
  for (const { call } of callsOf(program.steps)) {
    for (const [argument, place] of Object.entries(call.buffers)) {
      const layout = kernels.get(call.kernel)!.buffers[argument]!.layout
      if (place?.in === 'memory' && isCacheLayout(layout)) layouts.set(place.buffer, layout)
    }
  }
  return layouts
}
