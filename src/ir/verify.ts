import { fail } from '../base/errors.ts'
import { inferTypes } from './build.ts'
import { equalTypes, type Graph, nodeName, printType, valueTypes } from './graph.ts'
import { advancesOf, type OpTable } from './op.ts'

/**
 * Checks the rules of the level: known ops, names defined once and before use, types as `infer` says, only first axes
 * symbolic, each version of a state advanced at most once and not read afterwards, for all lie in the same bytes. Run
 * after every pass; returns the graph.
 */
export function verifyGraph(graph: Graph, ops: OpTable): Graph {
  const types = valueTypes(graph)
  const defined = new Set<string>()
  const define = (name: string) => {
    if (defined.has(name)) fail('graph_invalid', { where: name, what: 'is defined twice; names are unique' })
    defined.add(name)
    const shape = types.get(name)!.shape
    if (shape.slice(1).some((dim) => typeof dim !== 'number')) {
      fail('graph_invalid', { where: name, what: `shape [${shape.join(', ')}] has a symbol after the first axis` })
    }
  }
  for (const { name } of [...graph.inputs, ...graph.weights, ...graph.states]) define(name)
  for (const { name, type } of [...graph.weights, ...graph.states]) {
    if (type.shape.some((dim) => typeof dim !== 'number'))
      fail('graph_invalid', { where: name, what: `shape [${type.shape.join(', ')}] has a symbol; accepted: numbers` })
  }
  for (const weight of graph.weights) {
    if (weight.sources.length === 0) fail('graph_invalid', { where: weight.name, what: 'a weight needs a source' })
  }
  const versions = new Set(graph.states.map(({ name }) => name))
  const advancedBy = new Map<string, string>()
  for (const node of graph.nodes) {
    const where = nodeName(node)
    const op =
      (Object.hasOwn(ops, node.op) ? ops[node.op] : undefined) ??
      fail('graph_invalid', { where, what: `op '${node.op}' is unknown` })
    const inputs = Object.fromEntries(
      Object.entries(node.inputs).map(([slot, value]) => {
        if (!defined.has(value)) fail('graph_invalid', { where, what: `reads '${value}' before it is defined` })
        if (advancedBy.has(value)) {
          const verb = advancesOf(op, node).some(([, input]) => input === slot) ? 'advances' : 'reads'
          const what = `${verb} '${value}', which '${advancedBy.get(value)}' has advanced already`
          fail('graph_invalid', { where, what })
        }
        return [slot, { name: value, type: types.get(value)! }]
      }),
    )
    const inferred = inferTypes(op, where, inputs, node.attributes)
    for (const slot of Object.keys(node.outputs)) {
      if (!op.outputs.includes(slot)) fail('graph_invalid', { where, what: `${op.name} has no output '${slot}'` })
    }
    for (const slot of op.outputs) {
      const value = node.outputs[slot] ?? fail('graph_invalid', { where, what: `output '${slot}' has no name` })
      const type = types.get(value) ?? fail('graph_invalid', { where, what: `value '${value}' has no type` })
      if (!equalTypes(type, inferred[slot]!)) {
        const what = `'${value}' is ${printType(type)} but ${op.name} gives ${printType(inferred[slot]!)}`
        fail('graph_invalid', { where, what })
      }
      define(value)
    }
    for (const [output, input] of advancesOf(op, node)) {
      const before =
        node.inputs[input] ??
        fail('graph_invalid', { where, what: `'${output}' advances nothing: ${op.name} has no sum for it` })
      if (!equalTypes(types.get(before)!, inferred[output]!))
        fail('graph_invalid', {
          where,
          what: `advances '${before}', which is ${printType(types.get(before)!)}, to another type`,
        })
      if (!versions.has(before)) fail('graph_invalid', { where, what: `advances '${before}', which is no state` })
      advancedBy.set(before, node.outputs[output]!)
      versions.add(node.outputs[output]!)
    }
  }
  for (const [at, value] of graph.outputs.entries()) {
    if (graph.outputs.indexOf(value) < at)
      fail('graph_invalid', { where: value, what: 'is an output of the graph twice' })
    if (!defined.has(value))
      fail('graph_invalid', { where: value, what: 'is an output of the graph but is not defined' })
  }
  return graph
}
