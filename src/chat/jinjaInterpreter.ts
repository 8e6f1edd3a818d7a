/** The library's Jinja with the semantics of Jinja2 where the two differ, and with bounds on what a template may do. */
import { callMethod, textMethods } from './jinjaMethods.ts'
import {
  Environment,
  Interpreter,
  itemsOf,
  type JinjaNode,
  parse,
  type Scope,
  tokenize,
  toList,
  toMapping,
  toValue,
  type Value,
} from './jinjaValues.ts'
import { type JinjaValue, pythonEquals, pythonText } from './pythonText.ts'

/** What one rendering may make at most: characters of any text, items of any list. */
export const renderLimits = { text: 4_000_000, items: 100_000 } as const

/** A template that went beyond its bounds; the message says beyond which. */
export class RenderLimitError extends Error {}

/** A template's syntax tree. Raises the library's errors where the library reads it as no Jinja. */
export function parseJinja(source: string): JinjaNode {
  // Jinja2 reads every line end as \n.
  const program = parse(tokenize(source.replace(/\r\n?/g, '\n'), { lstrip_blocks: true, trim_blocks: true }))
  markOutputs(program)
  return program
}

const bodies = ['body', 'alternate', 'defaultBlock'] as const
const statements: ReadonlySet<string> = new Set([
  ...['If', 'For', 'Break', 'Continue', 'Set', 'Macro', 'Comment', 'CallStatement', 'FilterStatement'],
])

/** Wraps every expression that is printed, because Python prints None, True and lists in its own way. */
function markOutputs(node: JinjaNode): void {
  for (const name of bodies) {
    const body = node[name]
    if (!Array.isArray(body)) continue
    body.forEach((child: JinjaNode, i) => {
      if (statements.has(child.type)) markOutputs(child)
      else body[i] = { type: 'Output', value: child }
    })
  }
}

/** The text literals in the expressions of a tree, each once, in their order. */
export function literalsOf(program: JinjaNode): readonly string[] {
  const found = new Set<string>()
  const visit = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return
    if (value instanceof Map) {
      for (const pair of value) pair.forEach(visit)
      return
    }
    const node = value as JinjaNode
    if (node.type === 'StringLiteral') found.add(node.value as string)
    // The text between expressions is a literal that is printed as it is.
    if (node.type !== 'Output' || (node.value as JinjaNode).type !== 'StringLiteral') Object.values(node).forEach(visit)
  }
  visit(program)
  return [...found]
}

/** How `break` and `continue` leave a round, with what the round has printed so far. */
class LoopControl extends Error {
  readonly kind: 'Break' | 'Continue'
  text = ''

  constructor(kind: 'Break' | 'Continue') {
    super(`${kind.toLowerCase()} outside a loop`)
    this.kind = kind
  }
}

/** Evaluates a template's tree as Jinja2 does. One instance per rendering. Raises RenderLimitError. */
export class JinjaInterpreter extends Interpreter {
  readonly #mostSteps: number
  #steps = 0

  /** `scope` holds the variables; of nodes at most `mostSteps` are evaluated. */
  constructor(scope: Scope, mostSteps: number) {
    super(scope)
    this.#mostSteps = mostSteps
  }

  override evaluate(node: JinjaNode | undefined, scope: Scope): Value {
    this.#count()
    const result = this.#evaluate(node, scope)
    const { value } = result
    if (typeof value === 'string') checkText(value)
    if (Array.isArray(value) && value.length > renderLimits.items) {
      throw new RenderLimitError(`makes a list of more than ${renderLimits.items} items`)
    }
    return result
  }

  #count(): void {
    if (++this.#steps > this.#mostSteps) throw new RenderLimitError(`takes more than ${this.#mostSteps} steps`)
  }

  #of(node: unknown, scope: Scope): Value {
    return this.evaluate(node as JinjaNode, scope)
  }

  #evaluate(node: JinjaNode | undefined, scope: Scope): Value {
    switch (node?.type) {
      case 'Output':
        return toValue(pythonText(this.#of(node.value, scope)))
      case 'Given':
        return node.value as Value
      case 'Program':
        return this.#block(node.body, scope)
      case 'If':
        return this.#block(isTrue(this.#of(node.test, scope)) ? node.body : node.alternate, scope)
      case 'For':
        return this.#loop(node, scope)
      case 'Break':
      case 'Continue':
        throw new LoopControl(node.type)
      case 'BinaryExpression':
        return this.#binary(node, scope) ?? this.#library(node, scope)
      case 'CallExpression':
        return this.#call(node, scope) ?? this.#library(node, scope)
      case 'FilterExpression':
        return this.#filter(node, scope) ?? this.#library(node, scope)
      case 'TestExpression':
        return this.#test(node, scope) ?? this.#library(node, scope)
      default:
        return this.#library(node, scope)
    }
  }

  #library(node: JinjaNode | undefined, scope: Scope): Value {
    return super.evaluate(node, scope)
  }

  #block(body: unknown, scope: Scope): Value {
    let text = ''
    for (const statement of body as readonly JinjaNode[]) {
      try {
        const result = this.#of(statement, scope)
        if (result.type === 'StringValue') text += result.value as string
      } catch (error) {
        if (error instanceof LoopControl) error.text = text + error.text
        throw error
      }
      checkText(text)
    }
    return toValue(text)
  }

  /** `for`: each round has variables of its own, and what is undefined has no rounds. */
  #loop(node: JinjaNode, scope: Scope): Value {
    const iterable = node.iterable as JinjaNode
    const isFiltered = iterable.type === 'SelectExpression'
    const rounds = itemsOf(this.#of(isFiltered ? iterable.lhs : iterable, scope)).filter((item) => {
      if (!isFiltered) return true
      const round = new Environment(scope)
      bind(node.loopvar as JinjaNode, item, round)
      return isTrue(this.#of(iterable.test, round))
    })
    if (rounds.length === 0) return this.#block(node.defaultBlock, scope)
    let text = ''
    for (const [i, item] of rounds.entries()) {
      this.#count()
      const round = new Environment(scope)
      round.setVariable('loop', loopOf(rounds, i))
      bind(node.loopvar as JinjaNode, item, round)
      try {
        text += this.#block(node.body, round).value as string
      } catch (error) {
        if (!(error instanceof LoopControl)) throw error
        text += error.text
        if (error.kind === 'Break') break
      }
      checkText(text)
    }
    return toValue(text)
  }

  #binary(node: JinjaNode, scope: Scope): Value | undefined {
    const operator = (node.operator as { readonly value: string }).value
    if (!['==', '!=', '~', 'in', 'not in'].includes(operator)) return undefined
    const left = this.#of(node.left, scope)
    const right = this.#of(node.right, scope)
    if (operator === '~') return toValue(pythonText(left) + pythonText(right))
    if (operator === '==' || operator === '!=') return toValue(pythonEquals(left, right) === (operator === '=='))
    return toValue(holds(right, left) === (operator === 'in'))
  }

  #call(node: JinjaNode, scope: Scope): Value | undefined {
    const callee = node.callee as JinjaNode
    const name = (callee.property as { readonly value?: unknown } | undefined)?.value
    if (callee.type !== 'MemberExpression' || typeof name !== 'string' || !textMethods.has(name)) return undefined
    const object = this.#of(callee.object, scope)
    if (object.type !== 'StringValue') return undefined
    return callMethod(object.value as string, name, this.#positional(node, scope))
  }

  #filter(node: JinjaNode, scope: Scope): Value | undefined {
    const filter = node.filter as JinjaNode
    const isCall = filter.type === 'CallExpression'
    const name = (isCall ? (filter.callee as JinjaNode) : filter).value
    const values = () => (isCall ? this.#positional(filter, scope) : [])
    const operand = () => this.#of(node.operand, scope)
    switch (name) {
      case 'trim':
        return callMethod(pythonText(operand()), 'strip', values())
      case 'string':
        return toValue(pythonText(operand()))
      case 'length':
      case 'count':
        return toValue(itemsOf(operand()).length)
      case 'list':
        return toList(itemsOf(operand()))
      case 'first':
        return (itemsOf(operand())[0] as Value | undefined) ?? toValue(undefined)
      case 'last':
        return (itemsOf(operand()).at(-1) as Value | undefined) ?? toValue(undefined)
      case 'select':
      case 'reject': {
        const [test, other] = values()
        const passes = (item: JinjaValue) => (test ? passesTest(pythonText(test), item, other, scope) : isTrue(item))
        return toList(itemsOf(operand()).filter((item) => passes(item) === (name === 'select')))
      }
      case 'map': {
        const [inner] = values()
        if (inner?.type !== 'StringValue') return undefined
        const by = { type: 'Identifier', value: inner.value }
        const items = itemsOf(operand())
        return toList(
          items.map((value) =>
            this.#of({ type: 'FilterExpression', operand: { type: 'Given', value }, filter: by }, scope),
          ),
        )
      }
      default:
        return undefined
    }
  }

  #test(node: JinjaNode, scope: Scope): Value | undefined {
    const types = typeTests[(node.test as { readonly value: string }).value]
    return types && toValue(types.includes(this.#of(node.operand, scope).type) !== (node.negate === true))
  }

  #positional(node: JinjaNode, scope: Scope): readonly JinjaValue[] {
    const isNamed = ({ type }: JinjaNode) => type === 'KeywordArgumentExpression'
    return (node.args as readonly JinjaNode[]).filter((argument) => !isNamed(argument)).map((at) => this.#of(at, scope))
  }
}

/** Tests of a type that the library answers otherwise than Jinja2. */
const typeTests: Readonly<Record<string, readonly string[]>> = {
  iterable: ['ArrayValue', 'TupleValue', 'StringValue', 'ObjectValue', 'UndefinedValue'],
  sequence: ['ArrayValue', 'TupleValue', 'StringValue', 'ObjectValue', 'UndefinedValue'],
  number: ['IntegerValue', 'FloatValue', 'BooleanValue'],
  float: ['FloatValue'],
}

function checkText(text: string): void {
  if (text.length > renderLimits.text) {
    throw new RenderLimitError(`makes a text of more than ${renderLimits.text} characters`)
  }
}

function isTrue(value: JinjaValue): boolean {
  return (value as Value).__bool__().value
}

function bind(target: JinjaNode, item: JinjaValue, scope: Scope): void {
  if (target.type === 'Identifier') {
    scope.setVariable(target.value as string, item as Value)
    return
  }
  const names = target.value as readonly JinjaNode[]
  const parts = itemsOf(item)
  if (parts.length !== names.length) throw new Error(`${parts.length} values for ${names.length} names`)
  names.forEach((name, i) => {
    bind(name, parts[i]!, scope)
  })
}

function loopOf(rounds: readonly JinjaValue[], i: number): Value {
  const { length } = rounds
  const fields = {
    ...{ index: i + 1, index0: i, revindex: length - i, revindex0: length - i - 1, length },
    ...{ first: i === 0, last: i === length - 1 },
  }
  return toMapping([
    ...Object.entries(fields).map(([name, value]) => [name, toValue(value)] as const),
    ['previtem', rounds[i - 1] ?? toValue(undefined)],
    ['nextitem', rounds[i + 1] ?? toValue(undefined)],
  ])
}

function holds(container: JinjaValue, item: JinjaValue): boolean {
  const { value } = container
  if (value instanceof Map) return value.has(item.value)
  if (typeof value !== 'string') return itemsOf(container).some((other) => pythonEquals(other, item))
  if (typeof item.value !== 'string') throw new Error('only a text can be in a text')
  return value.includes(item.value)
}

function passesTest(name: string, item: JinjaValue, other: JinjaValue | undefined, scope: Scope): boolean {
  if (other && ['equalto', 'eq', '=='].includes(name)) return pythonEquals(item, other)
  if (other && ['ne', '!='].includes(name)) return !pythonEquals(item, other)
  if (other && name === 'in') return holds(other, item)
  const test = scope.tests.get(name)
  if (!test) throw new Error(`the test '${name}' is unknown`)
  return test(item as Value)
}
