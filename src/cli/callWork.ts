import { bytesOf, dtypes } from '../base/dtypes.ts'
import type { BufferParameter, Kernel } from '../kernels/kernel.ts'
import { kernels } from '../kernels/registry.ts'
import type { MemoryPlan } from '../plan/planMemory.ts'
import type { Call, Place, Program, Repeat } from '../plan/program.ts'
import { attendedInStep, attendedMean, windowOf } from './attended.ts'
import type { Span, Work } from './span.ts'

/** A span that one step evaluates, with so many rows of logits. */
export interface StepSpan extends Span {
  readonly outputs: number
}

/** The steps of `program` that evaluate a span; a prompt's logits are asked for at its end, a decoded token's always. */
export function stepSpans({ mode, bounds }: Program, { from, tokens }: Span): readonly StepSpan[] {
  const most = mode === 'decode' ? 1 : (bounds.tokens ?? 1)
  return Array.from({ length: Math.ceil(tokens / most) }, (_, step) => {
    const count = Math.min(most, tokens - step * most)
    const isLast = step * most + count === tokens
    return { from: from + step * most, tokens: count, outputs: mode === 'decode' || isLast ? 1 : 0 }
  })
}

/** What kind of multiply-adds a kernel's operands ask for: `int8` where it reads quantised activations. */
export function arithmeticOf(kernel: Kernel): 'int8' | 'f32' {
  return Object.values(kernel.buffers).some(({ dtype, access }) => dtype === 'a8' && access === 'read') ? 'int8' : 'f32'
}

/**
 * The work of one call in a step, of one round where it is repeated: every byte that it must touch once (weights as they
 * are packed, of a cache the positions attended to or written, of a table the rows asked for), and its operations.
 */
export function callWork(
  call: Call,
  repeat: Repeat | undefined,
  plan: MemoryPlan,
  program: Program,
  span: StepSpan,
): Work {
  const kernel = kernels.get(call.kernel)!
  const symbols: { readonly [symbol: string]: number } = { ...program.bounds, ...span }
  const dims = Object.fromEntries(
    Object.entries(call.dims).map(([dim, value]) => [dim, typeof value === 'number' ? value : symbols[value]!]),
  )
  if (Object.values(dims).includes(0)) return { bytes: 0, operations: 0 }
  const held = attendedInStep(span, windowOf(call))
  const bytes = Object.entries(kernel.buffers).reduce((sum, [name, parameter]) => {
    const place = call.buffers[name]
    if (!place) return sum
    const weights = weightsAt(place, repeat)
    if (weights) return sum + packedBytes(weights, plan, parameter, dims)
    const context = parameter.access === 'read' ? held : span.tokens
    return sum + declaredBytes(parameter, isState(place, program) ? { ...dims, context } : dims)
  }, 0)
  // Operations are linear in the positions attended to.
  const context = attendedMean(span, windowOf(call))
  return { bytes, operations: kernel.flops('context' in dims ? { ...dims, context } : dims) }
}

function weightsAt(place: Place, repeat: Repeat | undefined): readonly string[] | undefined {
  if (place.in === 'weights') return [place.weight]
  const column = place.in === 'table' ? repeat?.columns[place.column] : undefined
  return column?.in === 'weights' ? column.entries : undefined
}

/** Mean over the rounds. */
function packedBytes(
  names: readonly string[],
  plan: MemoryPlan,
  { touched }: BufferParameter<string>,
  dims: { readonly [dim: string]: number },
): number {
  const weights = names.map((name) => plan.weights.find((weight) => weight.name === name)!)
  const share = (rows: number) => (touched === undefined ? 1 : Math.min(1, dims[touched]! / rows))
  return weights.reduce((sum, { bytes, rows }) => sum + bytes * share(rows), 0) / weights.length
}

/** Tables hold weights and states only. */
function isState(place: Place, program: Program): boolean {
  if (place.in !== 'memory') return place.in === 'table'
  return program.buffers.find(({ name }) => name === place.buffer)?.region === 'state'
}

function declaredBytes(
  { shape, dtype, touched }: BufferParameter<string>,
  dims: { readonly [dim: string]: number },
): number {
  const sizes = shape.map((dim, axis) => {
    if (typeof dim === 'number') return dim
    return axis === 0 && touched !== undefined ? Math.min(dims[dim]!, dims[touched]!) : dims[dim]!
  })
  const { blockElements } = dtypes[dtype]
  const elements = sizes.reduce((product, size) => product * size, 1)
  return bytesOf(dtype, Math.ceil(elements / blockElements) * blockElements) ?? 0
}
