import { type Graph, type Node, producers } from '../ir/graph.ts'

/** The nodes of the forward half in their order, up to the one that makes the loss, the graph's first output. */
export function forwardNodes(graph: Graph): readonly Node[] {
  const loss = producers(graph).get(graph.outputs[0]!)
  return graph.nodes.slice(0, graph.nodes.indexOf(loss!) + 1).filter(({ of }) => of === undefined)
}
