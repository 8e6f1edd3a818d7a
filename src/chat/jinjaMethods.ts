import { itemsOf, toList, toValue, type Value } from './jinjaValues.ts'
import { type JinjaValue, pythonText, stripEnd, stripStart } from './pythonText.ts'

const lineEnds = '\\n\\v\\f\\r\\x1c-\\x1e\\x85\\u2028\\u2029'
/** Where `str.splitlines` cuts. */
const lineEnd = new RegExp(`\\r\\n|[${lineEnds}]`)

type Method = (text: string, values: readonly JinjaValue[]) => Value

const textOf = (value: JinjaValue | undefined) =>
  value === undefined || value.type === 'NullValue' ? undefined : pythonText(value)
const texts = (parts: readonly string[]) => toList(parts.map(toValue))

/** Python's methods of `str` that the library lacks, or whose arguments it ignores. */
const methods: Readonly<Record<string, Method>> = {
  strip: (text, [characters]) => toValue(stripEnd(stripStart(text, textOf(characters)), textOf(characters))),
  lstrip: (text, [characters]) => toValue(stripStart(text, textOf(characters))),
  rstrip: (text, [characters]) => toValue(stripEnd(text, textOf(characters))),
  capitalize: (text) => toValue(text.charAt(0).toUpperCase() + text.slice(1).toLowerCase()),
  removeprefix: (text, [prefix]) => {
    const begin = textOf(prefix) ?? ''
    return toValue(text.startsWith(begin) ? text.slice(begin.length) : text)
  },
  removesuffix: (text, [suffix]) => {
    const end = textOf(suffix) ?? ''
    return toValue(end !== '' && text.endsWith(end) ? text.slice(0, -end.length) : text)
  },
  find: (text, [part]) => {
    const at = text.indexOf(textOf(part) ?? '')
    return toValue(at < 0 ? -1 : [...text.slice(0, at)].length)
  },
  count: (text, [part]) => toValue(text.split(textOf(part) ?? '').length - 1),
  isdigit: (text) => toValue(/^\p{Nd}+$/u.test(text)),
  isspace: (text) => toValue(text !== '' && stripStart(text) === ''),
  splitlines: (text) => {
    const lines = text.split(lineEnd)
    return texts(lines.at(-1) === '' ? lines.slice(0, -1) : lines)
  },
  rsplit: (text, [separator, most]) => {
    const by = textOf(separator)
    if (by === undefined || by === '') throw new Error('rsplit() needs a separator')
    const parts = text.split(by)
    const limit = most === undefined ? -1 : Number(most.value)
    if (limit < 0 || parts.length <= limit + 1) return texts(parts)
    const first = parts.slice(0, parts.length - limit).join(by)
    return texts([first, ...parts.slice(parts.length - limit)])
  },
  join: (text, [items]) => toValue(items ? itemsOf(items).map(pythonText).join(text) : text),
}

/** The names of `methods`. */
export const textMethods: ReadonlySet<string> = new Set(Object.keys(methods))

/** Calls one of `textMethods` on a text. */
export function callMethod(text: string, name: string, values: readonly JinjaValue[]): Value {
  return methods[name]!(text, values)
}
