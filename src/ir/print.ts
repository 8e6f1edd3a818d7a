import { type AttributeValue, type Graph, type Node, printType } from './graph.ts'

/** The stable text form of a graph; `parseGraph` reads it back. */
export function printGraph(graph: Graph): string {
  const lines = [`graph ${graph.name}`]
  for (const { name, type } of graph.inputs) lines.push(`input ${name} ${printType(type)}`)
  for (const { name, type, sources } of graph.weights) {
    const own = sources.length === 1 && sources[0] === name
    lines.push(`weight ${name} ${printType(type)}${own ? '' : ` = ${sources.join(' + ')}`}`)
  }
  for (const { name, type } of graph.states) lines.push(`state ${name} ${printType(type)}`)
  for (const node of graph.nodes) lines.push(printNode(graph, node))
  for (const name of graph.outputs) lines.push(`output ${name}`)
  return `${lines.join('\n')}\n`
}

/** `y: blk.0.norm f32[tokens, 64] = rmsNorm(x: embd, gain: w) {eps: 0.00001}`, ` of NAME` behind a gradient, and ` in its sum` behind a type where the node advances a state so. */
function printNode(graph: Graph, node: Node): string {
  const outputs = Object.entries(node.outputs).map(
    ([slot, name]) =>
      `${slot}: ${name} ${printType(graph.types[name]!)}${node.advances?.includes(slot) ? ' in its sum' : ''}`,
  )
  const inputs = Object.entries(node.inputs).map(([slot, name]) => `${slot}: ${name}`)
  const attributes = Object.entries(node.attributes).map(([key, value]) => `${key}: ${printAttribute(value)}`)
  const tail = attributes.length > 0 ? ` {${attributes.join(', ')}}` : ''
  return `${outputs.join('; ')} = ${node.op}(${inputs.join(', ')})${tail}${node.of === undefined ? '' : ` of ${node.of}`}`
}

function printAttribute(value: AttributeValue): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
