import { consumers, type Graph, type Node, producers } from '../ir/graph.ts'
import { Rewriter } from '../ir/rewrite.ts'
import { headLoss } from '../ops/headLoss.ts'
import type { HeadAttributes } from '../ops/headLossCalls.ts'
import { headLossGradients } from '../ops/headLossGradients.ts'
import { ops } from '../ops/registry.ts'
import { dropDead } from './dropDead.ts'

/** The nodes from the product with the head's weights to the loss, and back where there are gradients. */
interface Head {
  readonly x: string
  readonly w: string
  readonly loss: Node
  readonly attributes: HeadAttributes
  /** The nodes that come to nothing. */
  readonly gone: ReadonlySet<Node>
  /** The products that are the gradients of x and w. */
  readonly dx?: Node
  readonly dw?: Node
}

/**
 * Joins the head, the loss and the gradients of both into one op that has logits of some rows at a time. A head with a bias,
 * and logits that something else reads, stay as they are.
 */
export function fuseLoss(graph: Graph): Graph {
  const head = findHead(graph)
  if (!head) return graph
  const { x, w, loss, attributes, gone, dx, dw } = head
  const to = new Rewriter(graph, ops)
  for (const node of graph.nodes) {
    if (gone.has(node)) continue
    if (node !== loss) {
      to.copy(node)
      continue
    }
    const { targets, total } = node.inputs
    const operands = { x: to.value(x), w: to.value(w), targets: to.value(targets!), total: to.value(total!) }
    const name = node.outputs.loss!
    if (!dx || !dw) {
      to.define(name, to.builder.apply(headLoss, name, operands, attributes))
      continue
    }
    const names = { loss: name, dx: dx.outputs.y!, dw: dw.outputs.y! }
    const made = to.builder.apply(headLossGradients, name, operands, attributes, names)
    to.define(name, made.loss)
    to.define(names.dx, made.dx)
    to.define(names.dw, made.dw)
  }
  return dropDead(to.finish())
}

function findHead(graph: Graph): Head | undefined {
  const made = producers(graph)
  const readers = consumers(graph)
  const loss = graph.nodes.find(({ op }) => op === 'crossEntropy')
  if (loss?.inputs.total === undefined) return undefined
  const gone = new Set<Node>()
  const attributes = { factor: 1, softCap: 0 }
  let logits = made.get(loss.inputs.logits!)
  if (logits?.op === 'softCap') {
    gone.add(logits)
    attributes.softCap = Number(logits.attributes.cap)
    logits = made.get(logits.inputs.x!)
  }
  if (logits?.op === 'scale') {
    gone.add(logits)
    attributes.factor = Number(logits.attributes.factor)
    logits = made.get(logits.inputs.x!)
  }
  if (logits?.op !== 'linear' || logits.inputs.bias !== undefined) return undefined
  gone.add(logits)
  const { x = '', w = '' } = logits.inputs
  const found = { x, w, loss, attributes, gone }
  // Back: crossEntropyBackward, then what undoes the softCap and the factor, then the two products.
  let gradient = (readers.get(loss.inputs.logits!) ?? []).find(({ op }) => op === 'crossEntropyBackward')
  if (gradient) {
    const back = [
      gradient.op,
      ...(attributes.softCap ? ['softCapBackward'] : []),
      ...(attributes.factor === 1 ? [] : ['scale']),
    ]
    for (const [at, op] of back.entries()) {
      if (gradient?.op !== op) return undefined
      gone.add(gradient)
      const [next, ...others]: Node[] = readers.get(Object.values(gradient.outputs)[0]!) ?? []
      if (at + 1 === back.length) break
      if (others.length > 0) return undefined
      gradient = next
    }
    const [last = ''] = Object.values(gradient!.outputs)
    const products = readers.get(last) ?? []
    const dx = products.find(({ inputs, attributes: form }) => inputs.a === last && inputs.b === w && !form.transposeA)
    const dw = products.find(({ inputs, attributes: form }) => inputs.a === last && inputs.b === x && form.transposeA)
    if (products.length !== 2 || !dx || !dw) return undefined
    gone.add(dx)
    gone.add(dw)
    return isClosed(found, readers, graph) ? { ...found, dx, dw } : undefined
  }
  return isClosed(found, readers, graph) ? found : undefined
}

/** Whether nothing but the head itself reads what is left out between its product and the loss. */
function isClosed({ gone, loss }: Head, readers: ReadonlyMap<string, readonly Node[]>, { outputs }: Graph): boolean {
  const forward = [...gone].filter(({ op }) => ['linear', 'scale', 'softCap'].includes(op))
  return forward.every((node) =>
    Object.values(node.outputs).every(
      (value) =>
        !outputs.includes(value) && (readers.get(value) ?? []).every((reader) => gone.has(reader) || reader === loss),
    ),
  )
}
