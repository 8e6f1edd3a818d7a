import { bytesOf, type Dtype } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import { type Dim, elementsFrom, type Graph, nodeName, type TensorType, valueTypes } from '../ir/graph.ts'
import type { Lowering, Operand, OpTable, Packed, StrideOf } from '../ir/op.ts'
import { isCacheLayout, panelParts } from '../kernels/cacheLayouts.ts'
import type { BufferParameter, Kernel, Layout } from '../kernels/kernel.ts'
import { copyForward } from '../kernels/rows/rows.kernel.ts'
import type { Buffer, Call, Mode, PackedWeight, Place, Program, StateLayout, ValuePlace } from './program.ts'
import { packedWeight } from './weights.ts'

export interface LowerOptions {
  readonly mode: Mode
  /** The largest value of each symbol. */
  readonly bounds: { readonly [symbol: string]: number }
  /** Vector width of the target, which is also rows per panel. */
  readonly lanes: number
}

/** `row`: the first row of the buffer, where a value is only some of its rows. */
type Location = Omit<ValuePlace, 'value'> & { readonly row?: number }

/** Turns a graph into kernel calls on buffers. In trace mode no value takes another's bytes, so that all can be read. */
export function lower(graph: Graph, ops: OpTable, options: LowerOptions): Program {
  const lowering = new GraphLowering(graph, options)
  graph.nodes.forEach((node, index) => {
    lowering.enter(nodeName(node), index, Object.values(node.outputs))
    const operands = (slots: { readonly [slot: string]: string }) =>
      Object.fromEntries(Object.entries(slots).map(([slot, value]) => [slot, lowering.operand(value)]))
    for (const output of node.advances ?? []) {
      const state = node.inputs[ops[node.op]!.sums![output]!]!
      lowering.beginIn(lowering.operand(node.outputs[output]!), lowering.operand(state))
    }
    ops[node.op]!.lower(operands(node.inputs), operands(node.outputs), node.attributes, lowering)
    for (const value of Object.values(node.outputs)) lowering.requirePlace(value)
  })
  return lowering.finish()
}

type AnyArguments = { readonly [name: string]: Dim | StrideOf | Operand | Packed | null }

class GraphLowering implements Lowering {
  readonly #graph: Graph
  readonly #options: LowerOptions
  readonly #types: Map<string, TensorType>
  readonly #weightNames: ReadonlySet<string>
  readonly #lastUse = new Map<string, number>()
  readonly #locations = new Map<string, Location>()
  readonly #buffers: Buffer[] = []
  readonly #stateLayouts = new Map<string, Layout>()
  readonly #weights = new Map<string, PackedWeight>()
  readonly #calls: Call[] = []
  #node = ''
  #index = 0
  #makes: readonly string[] = []
  #overwritten: Location[] = []
  /** Outputs that lie in the bytes of a state which they begin with. */
  readonly #begun = new Map<string, string>()

  constructor(graph: Graph, options: LowerOptions) {
    this.#graph = graph
    this.#options = options
    this.#types = valueTypes(graph)
    this.#weightNames = new Set(graph.weights.map(({ name }) => name))
    graph.nodes.forEach((node, index) => {
      for (const value of Object.values(node.inputs)) this.#lastUse.set(value, index)
    })
    for (const value of graph.outputs) this.#lastUse.set(value, Number.POSITIVE_INFINITY)
    for (const { name, type } of graph.inputs) this.#place(name, type, 'input')
    for (const { name, type } of graph.states) this.#place(name, type, 'state')
  }

  enter(node: string, index: number, makes: readonly string[]): void {
    this.#makes = makes
    this.#node = node
    this.#index = index
    this.#overwritten = []
  }

  operand(name: string): Operand {
    return { name, type: this.#types.get(name) ?? this.#refuse(`'${name}' has no type`) }
  }

  requirePlace(value: string): void {
    if (!this.#locations.has(value)) this.#refuse(`its lowering gives '${value}' no place`)
  }

  finish(): Program {
    const { mode, bounds } = this.#options
    for (const value of this.#graph.outputs) this.#requireOwnBytes(value)
    const values = [...this.#locations]
      .filter(([value]) => this.#types.has(value))
      .map(([value, location]) => ({ value, ...location }))
    const buffers = this.#buffers.map((buffer) =>
      buffer.region === 'state' ? { ...buffer, state: this.#stateLayout(buffer) } : buffer,
    )
    return { mode, bounds, buffers, weights: [...this.#weights.values()], values, steps: this.#calls }
  }

  #stateLayout({ name, dtype, shape }: Buffer): StateLayout {
    const layout = this.#stateLayouts.get(name)
    if (!isCacheLayout(layout)) return { kind: 'whole' }
    const [, rows, , width] = shape.map(Number)
    return {
      kind: 'positions',
      rows: rows ?? 1,
      lanes: this.#options.lanes,
      parts: panelParts(layout, dtype, width ?? 1),
    }
  }

  /** A caller reads an output after the step, so it must be a buffer that nothing else uses. */
  #requireOwnBytes(value: string): void {
    const buffer = this.#buffers.find(({ name }) => name === value)
    if (buffer?.region === 'output') return
    fail('program_invalid', {
      where: value,
      what: 'is an output of the graph but a part or a version of other bytes; accepted: the result of a kernel',
    })
  }

  stride(operand: Operand): StrideOf {
    return { strideOf: operand }
  }

  scratch(name: string, type: TensorType): Operand {
    return { name: this.#freeName(`${this.#node}.${name}`), type }
  }

  most(dim: Dim): number {
    return this.#bound(dim)
  }

  view(output: Operand, input: Operand, offset = 0): void {
    const place = this.#locate(input)
    const columns = elementsFrom(output.type.shape, 1)
    this.#locations.set(output.name, { ...place, column: place.column + offset, columns })
  }

  rows(operand: Operand, from: number, count: number): Operand {
    if (!this.#locations.has(operand.name)) this.#placeResult(operand)
    const place = this.#locate(operand)
    const name = this.#freeName(`${operand.name}.${from}`)
    this.#locations.set(name, { ...place, row: (place.row ?? 0) + from })
    return { name, type: { ...operand.type, shape: [count, ...operand.type.shape.slice(1)] } }
  }

  advance(output: Operand, input: Operand): void {
    this.#locations.set(output.name, this.#locate(input))
  }

  /** Says that a node's output begins with a state and lies in its bytes: the kernel that writes it must allow that. */
  beginIn(output: Operand, state: Operand): void {
    this.advance(output, state)
    this.#begun.set(output.name, state.name)
  }

  #requireInPlace(kernel: Kernel, args: AnyArguments): void {
    for (const [written, { access }] of Object.entries(kernel.buffers)) {
      const to = args[written]
      if (access !== 'write' || !isOperand(to) || !this.#begun.has(to.name)) continue
      const read = Object.keys(kernel.buffers).find((name) => {
        const from = args[name]
        return isOperand(from) && from.name === this.#begun.get(to.name)
      })
      if (read && !kernel.inPlace.some(([output, input]) => output === written && input === read))
        this.#refuse(`${kernel.name} reads '${read}' and writes '${written}', which cannot be the same bytes`)
    }
  }

  call(kernel: Kernel, given: AnyArguments): void {
    const args = this.#withDense(kernel, given)
    this.#requireInPlace(kernel, args)
    const reused = this.#reuseDead(kernel, args)
    for (const [name, parameter] of Object.entries(kernel.buffers)) {
      const operand = args[name]
      if (isOperand(operand) && parameter.access === 'write' && !this.#locations.has(operand.name))
        this.#placeResult(operand)
    }
    this.#calls.push({
      kind: 'call',
      kernel: kernel.name,
      name: this.#node,
      ...(this.#makes.length > 1 ? { makes: this.#makes } : {}),
      dims: Object.fromEntries(kernel.dims.map((dim) => [dim, this.#dim(kernel, dim, args[dim])])),
      attributes: Object.fromEntries(
        Object.keys(kernel.attributes).map((name) => {
          const value = args[name]
          return [name, typeof value === 'number' ? value : this.#refuse(`${kernel.name} needs a number for '${name}'`)]
        }),
      ),
      buffers: Object.fromEntries(
        Object.entries(kernel.buffers).map(([name, parameter]) => [
          name,
          this.#argument(kernel, name, parameter, args[name]),
        ]),
      ),
    })
    this.#overwritten.push(...reused)
  }

  #dim(kernel: Kernel, name: string, value: AnyArguments[string] | undefined): Dim {
    if (typeof value === 'number' || typeof value === 'string') {
      if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value
      if (typeof value === 'string' && value in this.#options.bounds) return value
      return this.#refuse(`${kernel.name} gets ${value} for '${name}'; accepted: a whole number or a bound symbol`)
    }
    if (value !== null && value !== undefined && 'strideOf' in value) return this.#rowStride(value.strideOf)
    return this.#refuse(`${kernel.name} needs a size for '${name}'`)
  }

  /** A weight as rows lies dense. */
  #rowStride({ name, type }: Operand): number {
    return this.#weightNames.has(name) ? elementsFrom(type.shape, 1) : this.#locate({ name, type }).rowStride
  }

  #argument(
    kernel: Kernel,
    name: string,
    parameter: BufferParameter<string>,
    value: AnyArguments[string] | undefined,
  ): Place | null {
    if (value === null || value === undefined) {
      return parameter.optional ? null : this.#refuse(`${kernel.name} needs a value for '${name}'`)
    }
    if (typeof value !== 'object' || 'strideOf' in value)
      return this.#refuse(`${kernel.name} needs a value for '${name}'`)
    const layout = parameter.layout ?? 'rows'
    const parts = isOperand(value) ? [value] : value.packed
    for (const { name: part, type } of parts) this.#checkDtype(kernel, name, part, type.dtype, parameter.dtype)
    if (parts.every((part) => this.#weightNames.has(part.name))) {
      if (parts.length !== (layout === 'panelPairs' ? 2 : 1))
        this.#refuse(`${kernel.name} takes '${name}' as ${layout}`)
      const sources = parts.map((part) => this.#graph.weights.find((weight) => weight.name === part.name)!)
      const packed = packedWeight(sources, layout, this.#options.lanes)
      const known = this.#weights.get(packed.name)
      if (known && known.layout !== layout) {
        this.#refuse(`weight '${packed.name}' is wanted as ${known.layout} and as ${layout}; one layout is accepted`)
      }
      this.#weights.set(packed.name, packed)
      return { in: 'weights', weight: packed.name }
    }
    if (!isOperand(value)) return this.#refuse(`${kernel.name} packs '${name}', which is no weight`)
    const location = this.#locate(value)
    const isState = this.#buffers.find((buffer) => buffer.name === location.buffer)?.region === 'state'
    if (layout !== 'rows' && !(isCacheLayout(layout) && isState))
      this.#refuse(`${kernel.name} takes '${name}' as ${layout}`)
    if (isState && (this.#stateLayouts.get(location.buffer) ?? layout) !== layout)
      this.#refuse(`${kernel.name} takes '${name}' as ${layout}, and another call takes it otherwise`)
    if (isState) this.#stateLayouts.set(location.buffer, layout)
    if (parameter.rowStride === undefined && !isState && location.rowStride !== elementsFrom(value.type.shape, 1)) {
      this.#refuse(`${kernel.name} takes '${name}' dense, and '${value.name}' lies in rows of ${location.rowStride}`)
    }
    if (parameter.access === 'read' && this.#overwritten.some((other) => overlaps(location, other))) {
      this.#refuse(`${kernel.name} reads '${value.name}' after an earlier call of the op has overwritten it`)
    }
    const { buffer, row = 0, column, rowStride } = location
    const offset = bytesOf(value.type.dtype, row * rowStride + column)
    return { in: 'memory', buffer, offset: offset ?? this.#refuse(`'${value.name}' splits a block`) }
  }

  /** Copies what the kernel reads dense and what lies in the rows of a wider buffer (a slice), and gives it the copies. */
  #withDense(kernel: Kernel, args: AnyArguments): AnyArguments {
    const copies = Object.entries(kernel.buffers).flatMap(([name, { access, rowStride }]): [string, Operand][] => {
      const operand = args[name]
      if (access !== 'read' || rowStride !== undefined || !isOperand(operand)) return []
      const location = this.#locations.get(operand.name)
      const columns = elementsFrom(operand.type.shape, 1)
      if (!location || location.rowStride === columns || operand.type.dtype !== 'f32') return []
      const copy = { name: this.#freeName(`${operand.name}.dense`), type: operand.type }
      const dims = { rows: operand.type.shape[0]!, cols: columns, xRow: this.stride(operand), yRow: columns }
      this.call(copyForward, { ...dims, x: operand, y: copy })
      return [[name, copy]]
    })
    return { ...args, ...Object.fromEntries(copies) }
  }

  #freeName(wanted: string): string {
    for (let n = 1; ; n++) {
      const name = n === 1 ? wanted : `${wanted}${n}`
      if (!this.#types.has(name) && !this.#locations.has(name)) return name
    }
  }

  /** Gives a written operand the bytes of one that is read for the last time, where the kernel allows it. */
  #reuseDead(kernel: Kernel, args: AnyArguments): Location[] {
    const reused: Location[] = []
    if (this.#options.mode === 'trace') return reused
    const taken = new Set<string>()
    for (const [written, read] of kernel.inPlace) {
      const [to, from] = [args[written], args[read]]
      if (!isOperand(to) || !isOperand(from) || this.#locations.has(to.name) || taken.has(from.name)) continue
      if (this.#graph.outputs.includes(to.name) || this.#weightNames.has(from.name)) continue
      const location = this.#locate(from)
      const buffer = this.#buffers.find(({ name }) => name === location.buffer)!
      if (buffer.region !== 'activation' || to.type.dtype !== from.type.dtype) continue
      if (to.type.shape.join() !== from.type.shape.join() || !this.#isDead(location)) continue
      const others = Object.entries(args).filter(
        ([name, value]) => name !== read && name !== written && isOperand(value),
      )
      if (others.some(([, value]) => isOperand(value) && this.#sharesBytes(value, location))) continue
      taken.add(from.name)
      this.#locations.set(to.name, location)
      reused.push(location)
    }
    return reused
  }

  /** Whether no value in these bytes is read after this node. */
  #isDead(location: Location): boolean {
    for (const [value, other] of this.#locations) {
      if (overlaps(location, other) && (this.#lastUse.get(value) ?? -1) > this.#index) return false
    }
    return true
  }

  #sharesBytes(operand: Operand, location: Location): boolean {
    const other = this.#locations.get(operand.name)
    return other !== undefined && overlaps(other, location)
  }

  #placeResult({ name, type }: Operand): void {
    this.#place(name, type, this.#graph.outputs.includes(name) ? 'output' : 'activation')
  }

  #place(name: string, type: TensorType, region: Buffer['region']): void {
    const columns = elementsFrom(type.shape, 1)
    this.#locations.set(name, { buffer: name, column: 0, columns, rowStride: columns })
    const rows = this.#bound(type.shape[0] ?? 1)
    const bytes = bytesOf(type.dtype, columns) ?? this.#refuse(`a row of '${name}' splits a block of ${type.dtype}`)
    this.#buffers.push({ name, region, dtype: type.dtype, shape: type.shape, bytes: rows * bytes })
  }

  #bound(dim: Dim): number {
    if (typeof dim === 'number') return dim
    return this.#options.bounds[dim] ?? this.#refuse(`symbol '${dim}' has no bound`)
  }

  #locate(operand: Operand): Location {
    return this.#locations.get(operand.name) ?? this.#refuse(`'${operand.name}' has no place yet`)
  }

  #checkDtype(kernel: Kernel, name: string, value: string, found: Dtype, accepted: Dtype): void {
    if (found !== accepted) this.#refuse(`${kernel.name} takes '${name}' as ${accepted}, and '${value}' is ${found}`)
  }

  #refuse(what: string): never {
    return fail('program_invalid', { where: this.#node, what })
  }
}

function isOperand(value: AnyArguments[string] | undefined): value is Operand {
  return typeof value === 'object' && value !== null && 'type' in value
}

function overlaps(a: Location, b: Location): boolean {
  return a.buffer === b.buffer && a.column < b.column + b.columns && b.column < a.column + a.columns
}
