import { bytesOf, dtypes } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import { type Graph, valueTypes } from '../ir/graph.ts'
import { type Tensor, tensor } from '../ir/tensor.ts'
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
  readonly #keyCaches: ReadonlySet<string>
  readonly #lanes: number
  readonly #symbols: { readonly [symbol: string]: number }
  readonly #peek: Peek

  constructor(graph: Graph, program: Program, plan: MemoryPlan, isa: Isa, tokens: number, peek: Peek) {
    this.#types = valueTypes(graph)
    this.#places = new Map(program.values.map((place) => [place.value, place]))
    this.#buffers = new Map(plan.buffers[program.mode]!.map((buffer) => [buffer.name, buffer]))
    this.#keyCaches = keyCaches(program)
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
    const all = new Float64Array(rows * place.rowStride)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    dtypes[buffer.dtype].decode(view, 0, all.length / dtypes[buffer.dtype].blockElements, all, 0)
    if (this.#keyCaches.has(buffer.name)) return tensor(shape, this.#unpackKeys(all, shape))
    const out = tensor(shape)
    for (let row = 0; row < rows; row++) {
      const from = row * place.rowStride + place.column
      out.data.set(all.subarray(from, from + place.columns), row * place.columns)
    }
    return out
  }

  /** keyPanels [sequences, heads, context / lanes, width, lanes] → [sequences, heads, context, width]. */
  #unpackKeys(packed: Float64Array, shape: readonly number[]): Float64Array {
    const [sequences = 0, heads = 0, context = 0, width = 0] = shape
    const lanes = this.#lanes
    const out = new Float64Array(packed.length)
    for (let head = 0; head < sequences * heads; head++) {
      for (let position = 0; position < context; position++) {
        const panel = (head * context + position - (position % lanes)) * width
        for (let c = 0; c < width; c++) {
          out[(head * context + position) * width + c] = packed[panel + c * lanes + (position % lanes)]!
        }
      }
    }
    return out
  }
}

/** The buffers that some kernel takes as keyPanels. */
function keyCaches(program: Program): Set<string> {
  const names = new Set<string>()
  for (const { call } of callsOf(program.steps)) {
    for (const [argument, place] of Object.entries(call.buffers)) {
      const layout = kernels.get(call.kernel)!.buffers[argument]!.layout
      if (place?.in === 'memory' && layout === 'keyPanels') names.add(place.buffer)
    }
  }
  return names
}
