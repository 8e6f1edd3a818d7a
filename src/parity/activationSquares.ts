import type { Graph } from '../ir/graph.ts'
import { producers } from '../ir/graph.ts'
import { rowsAndCols } from '../ir/tensor.ts'
import type { ActivationSums } from '../quantize/importance.ts'
import type { TraceReader } from './traceReader.ts'

/** A product with weights: what it reads, and the checkpoint's names of the weights. */
interface Product {
  readonly x: string
  readonly weights: readonly string[]
}

/** The slots of the ops that multiply their x by weights. */
const weightSlots: { readonly [op: string]: readonly string[] } = { linear: ['w'], linearGlu: ['gate', 'up'] }

/** The products of a graph after all passes, each with its x before it was rounded to 8 bits. */
export function productsOf(graph: Graph): readonly Product[] {
  const sources = new Map(graph.weights.map((weight) => [weight.name, weight.sources]))
  const makers = producers(graph)
  return graph.nodes.flatMap((node) => {
    const slots = weightSlots[node.op]
    if (!slots) return []
    const read = node.inputs.x!
    const maker = makers.get(read)
    const x = maker?.op === 'quantize' ? maker.inputs.x! : read
    return [{ x, weights: slots.flatMap((slot) => sources.get(node.inputs[slot]!) ?? []) }]
  })
}

/** Adds the squares of what each product read in the last step, per column, to the sums of its weights. */
export async function addSquares(
  products: readonly Product[],
  reader: TraceReader,
  sums: Map<string, ActivationSums>,
): Promise<void> {
  for (const { x, weights } of products) {
    const value = await reader.read(x)
    const { rows, cols } = rowsAndCols(value)
    const squares = new Float64Array(cols)
    for (let row = 0; row < rows; row++) {
      for (let col = 0; col < cols; col++) squares[col]! += value.data[row * cols + col]! ** 2
    }
    for (const name of weights) {
      const sum = sums.get(name) ?? { squares: new Float64Array(cols), count: 0 }
      for (let col = 0; col < cols; col++) sum.squares[col]! += squares[col]!
      sum.count += rows
      sums.set(name, sum)
    }
  }
}
