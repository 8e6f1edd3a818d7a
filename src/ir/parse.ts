import { type Dtype, dtypeNames } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { AttributeValue, Dim, Graph, Input, Node, State, TensorType, Weight } from './graph.ts'

/** Reads the text form of a graph. Refuses a line that `printGraph` would not write; `verifyGraph` judges the meaning. */
export function parseGraph(text: string): Graph {
  const inputs: Input[] = []
  const weights: Weight[] = []
  const states: State[] = []
  const nodes: Node[] = []
  const types: Record<string, TensorType> = {}
  const outputs: string[] = []
  let name: string | undefined
  text.split('\n').forEach((raw, index) => {
    const line = raw.trim()
    if (line === '') return
    const refuse = (what: string): never => fail('graph_invalid', { where: `line ${index + 1}`, what })
    const [keyword = '', ...rest] = line.split(' ')
    const remainder = rest.join(' ')
    if (keyword === 'graph') name = remainder
    else if (keyword === 'input') inputs.push(parseTyped(remainder, refuse))
    else if (keyword === 'state') states.push(parseTyped(remainder, refuse))
    else if (keyword === 'output') outputs.push(remainder)
    else if (keyword === 'weight') {
      const [declaration = '', sources] = remainder.split(' = ')
      const typed = parseTyped(declaration, refuse)
      weights.push({ ...typed, sources: sources === undefined ? [typed.name] : sources.split(' + ') })
    } else nodes.push(parseNode(line, types, refuse))
  })
  if (name === undefined) fail('graph_invalid', { where: 'line 1', what: "a graph begins with 'graph <name>'" })
  return { name, inputs, weights, states, nodes, types, outputs }
}

type Refuse = (what: string) => never

function parseTyped(text: string, refuse: Refuse): { name: string; type: TensorType } {
  const match = /^(\S+) (\w+)\[([^\]]*)\]$/.exec(text)
  if (!match) return refuse(`'${text}' is not 'name dtype[dims]'`)
  const [, name = '', dtype = '', dims = ''] = match
  if (!isDtype(dtype)) return refuse(`dtype '${dtype}' is unknown; accepted: ${dtypeNames.join(', ')}`)
  return { name, type: { dtype, shape: dims === '' ? [] : dims.split(', ').map(parseDim) } }
}

function isDtype(name: string): name is Dtype {
  return (dtypeNames as readonly string[]).includes(name)
}

function parseDim(text: string): Dim {
  return /^\d+$/.test(text) ? Number(text) : text
}

function parseNode(line: string, types: Record<string, TensorType>, refuse: Refuse): Node {
  const match = /^(.+) = (\w+)\(([^)]*)\)(?: \{(.*)\})?$/.exec(line)
  if (!match) return refuse(`'${line}' is neither a declaration nor 'slot: name type = op(slot: name, ...)'`)
  const [, defined = '', op = '', read = '', attributes = ''] = match
  const outputs: Record<string, string> = {}
  for (const part of defined.split('; ')) {
    const [slot = '', declaration] = splitOnce(part, ': ')
    if (declaration === undefined) return refuse(`'${part}' is not 'slot: name dtype[dims]'`)
    const { name, type } = parseTyped(declaration, refuse)
    outputs[slot] = name
    types[name] = type
  }
  const inputs: Record<string, string> = {}
  for (const part of read === '' ? [] : read.split(', ')) {
    const [slot = '', value] = splitOnce(part, ': ')
    if (value === undefined) return refuse(`'${part}' is not 'slot: name'`)
    inputs[slot] = value
  }
  const parsed: Record<string, AttributeValue> = {}
  for (const part of attributes === '' ? [] : attributes.split(', ')) {
    const [key = '', value] = splitOnce(part, ': ')
    if (value === undefined) return refuse(`'${part}' is not 'key: value'`)
    parsed[key] = parseAttribute(value, refuse)
  }
  return { op, inputs, outputs, attributes: parsed }
}

function parseAttribute(text: string, refuse: Refuse): AttributeValue {
  if (text === 'true' || text === 'false') return text === 'true'
  if (text.startsWith('"')) return JSON.parse(text) as string
  const value = Number(text)
  return text !== '' && !Number.isNaN(value)
    ? value
    : refuse(`attribute value '${text}' is no number, boolean or string`)
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)]
}
