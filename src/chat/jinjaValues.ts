/** The library's Jinja with types (its own declarations do not resolve in an ESM package), and its values. */
import * as library from '@huggingface/jinja'
import type { JinjaValue } from './pythonText.ts'

/** What evaluating a node gives. */
export interface Value extends JinjaValue {
  __bool__(): { readonly value: boolean }
}

/** The variables that a node sees. */
export interface Scope {
  readonly tests: ReadonlyMap<string, (value: JinjaValue) => boolean>
  /** Declares a variable, from a JavaScript value; functions get the values of their arguments. */
  set(name: string, value: unknown): Value
  setVariable(name: string, value: JinjaValue): Value
}

/** A node of a template: its `type` says which fields it has. */
export interface JinjaNode {
  readonly type: string
  readonly [field: string]: unknown
}

interface Interpreter {
  evaluate(node: JinjaNode | undefined, scope: Scope): Value
}

interface JinjaLibrary {
  readonly Environment: new (parent?: Scope) => Scope
  readonly Interpreter: new (scope: Scope) => Interpreter
  tokenize(source: string, options: { readonly lstrip_blocks: boolean; readonly trim_blocks: boolean }): unknown
  parse(tokens: unknown): JinjaNode
}

export const { Environment, Interpreter, tokenize, parse } = library as unknown as JinjaLibrary

type Made<T> = new (value: T) => Value

const convert = (value: unknown) => new Environment().set('value', value)
const classOf = <T>(sample: T) => convert(sample).constructor as unknown as Made<T>
const Text = classOf('')
const Truth = classOf(true)
const Whole = classOf(1)
const undefinedValue = convert(undefined)
const List = classOf<readonly JinjaValue[]>([])

/** A JavaScript value as the interpreter's. */
export function toValue(value: unknown): Value {
  if (typeof value === 'string') return new Text(value)
  if (typeof value === 'boolean') return new Truth(value)
  if (Number.isInteger(value)) return new Whole(value as number)
  return value === undefined ? undefinedValue : convert(value)
}

const Mapping = convert({}).constructor as unknown as Made<ReadonlyMap<string, JinjaValue>>

/** A mapping of values. */
export function toMapping(entries: Iterable<readonly [string, JinjaValue]>): Value {
  return new Mapping(new Map(entries))
}

/** A list of values. */
export function toList(items: readonly JinjaValue[]): Value {
  return new List(items)
}

/** The items that a `for` walks: of a list, characters of a text, keys of a mapping; none of what is undefined. */
export function itemsOf({ type, value }: JinjaValue): readonly JinjaValue[] {
  if (Array.isArray(value)) return value as readonly JinjaValue[]
  if (typeof value === 'string') return [...value].map(toValue)
  if (value instanceof Map) return [...(value as ReadonlyMap<string, unknown>).keys()].map(toValue)
  if (type === 'UndefinedValue') return []
  throw new Error(`a ${type.replace('Value', '').toLowerCase()} cannot be walked`)
}
