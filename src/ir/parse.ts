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
    if (keyword === 'graph') name = name === undefined ? remainder : refuse("'graph' is given twice")
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
  return { name, type: { dtype, shape: dims === '' ? [] : dims.split(', ').map((dim) => parseDim(dim, refuse)) } }
}

function isDtype(name: string): name is Dtype {
  return (dtypeNames as readonly string[]).includes(name)
}

function parseDim(text: string, refuse: Refuse): Dim {
  if (/^[a-z]\w*$/i.test(text)) return text
  return /^\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : refuse(`'${text}' is no size`)
}

function parseNode(line: string, types: Record<string, TensorType>, refuse: Refuse): Node {
  const match = /^(.+?) = (\w+)\(([^)]*)\)(?: \{(.*)\})?(?: of ([^\s{}]+))?$/.exec(line)
  if (!match) return refuse(`'${line}' is neither a declaration nor 'slot: name type = op(slot: name, ...)'`)
  const [, defined = '', op = '', read = '', attributes = '', of] = match
  const outputs: Record<string, string> = {}
  const advances: string[] = []
  for (const part of defined.split('; ')) {
    const [slot, declaration] = splitOnce(part, ': ')
    if (declaration === undefined) return refuse(`'${part}' is not 'slot: name dtype[dims]'`)
    const typed = declaration.replace(/ in its sum$/, '')
    if (typed !== declaration) advances.push(slot)
    const { name, type } = parseTyped(typed, refuse)
    if (Object.hasOwn(types, name)) refuse(`'${name}' is defined twice; names are unique`)
    put(outputs, slot, name, refuse)
    types[name] = type
  }
  const inputs: Record<string, string> = {}
  for (const part of read === '' ? [] : read.split(', ')) {
    const [slot, value] = splitOnce(part, ': ')
    if (value === undefined) return refuse(`'${part}' is not 'slot: name'`)
    put(inputs, slot, value, refuse)
  }
  return {
    ...{ op, inputs, outputs, attributes: parseAttributes(attributes, refuse) },
    ...(advances.length === 0 ? {} : { advances }),
    ...(of === undefined ? {} : { of }),
  }
}

/** `key: value, key: "text, with what it likes"` */
function parseAttributes(text: string, refuse: Refuse): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = {}
  let rest = text
  while (rest !== '') {
    const match = /^(\w+): ("(?:[^"\\]|\\.)*"|[^,]+)(?:, (?=.)|$)/.exec(rest)
    if (!match) return refuse(`'${rest}' is not 'key: value'`)
    const [all, key = '', value = ''] = match
    put(attributes, key, parseAttribute(value, refuse), refuse)
    rest = rest.slice(all.length)
  }
  return attributes
}

function parseAttribute(text: string, refuse: Refuse): AttributeValue {
  if (text === 'true' || text === 'false') return text === 'true'
  const isString = /^".*"$/.test(text)
  const value = isString ? parseString(text) : Number(text)
  return value === undefined || Number.isNaN(value)
    ? refuse(`attribute value '${text}' is no number, boolean or string`)
    : value
}

function parseString(text: string): string | undefined {
  try {
    return String(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** Sets a key that is new. */
function put<V>(record: Record<string, V>, key: string, value: V, refuse: Refuse): void {
  if (Object.hasOwn(record, key)) refuse(`'${key}' is given twice`)
  record[key] = value
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)]
}
