import { fail } from '../base/errors.ts'
import { type Graph, typeOf } from '../ir/graph.ts'
import { Rewriter } from '../ir/rewrite.ts'
import { crossEntropy } from '../ops/crossEntropy.ts'
import { ops } from '../ops/registry.ts'

/**
 * The graph whose only output is `loss` [1, 1]: the cross-entropy of its logits with the input `targets`, an id for each of
 * their rows, or -1 for a row that does not count, divided by the input `total`.
 */
export function addLoss(graph: Graph): Graph {
  const [name, ...others] = graph.outputs
  const type = name === undefined ? undefined : typeOf(graph, name)
  if (name === undefined || others.length > 0 || type?.shape.length !== 2)
    return fail('graph_invalid', { where: graph.name, what: 'has a loss only if its one output is logits of two axes' })
  const to = new Rewriter({ ...graph, outputs: [] }, ops)
  for (const node of graph.nodes) to.copy(node)
  const targets = to.builder.input('targets', { dtype: 'i32', shape: [type.shape[0]!] })
  const total = to.builder.input('total', { dtype: 'f32', shape: [1, 1] })
  to.builder.output(to.builder.apply(crossEntropy, 'loss', { logits: to.value(name), targets, total }, {}))
  return to.finish()
}
