/** How Python writes and strips values: chat templates are written for Jinja2, whose strings are Python's. */

/** A value of the Jinja interpreter, as far as Python would write it. */
export interface JinjaValue {
  readonly type: string
  readonly value: unknown
}

/** White space as `str.strip` and `str.isspace` see it; JavaScript's `trim` takes another set. */
const white = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const whiteStart = new RegExp(`^[${white}]+`)
const whiteEnd = new RegExp(`[${white}]+$`)

/** `text.lstrip(characters)`; without characters white space goes. */
export function stripStart(text: string, characters?: string): string {
  if (characters === undefined) return text.replace(whiteStart, '')
  const set = new Set(characters)
  let from = 0
  for (const character of text) {
    if (!set.has(character)) break
    from += character.length
  }
  return text.slice(from)
}

/** `text.rstrip(characters)`; without characters white space goes. */
export function stripEnd(text: string, characters?: string): string {
  if (characters === undefined) {
    // A pattern with $ alone would try every place of a long run of white space.
    let end = text.length
    while (end > 0 && whiteEnd.test(text[end - 1]!)) end--
    return text.slice(0, end)
  }
  const set = new Set(characters)
  const letters = [...text]
  while (letters.length > 0 && set.has(letters.at(-1)!)) letters.pop()
  return letters.join('')
}

/** `str(value)`: what `{{ value }}` prints. */
export function pythonText(value: JinjaValue): string {
  if (value.type === 'StringValue') return value.value as string
  return value.type === 'UndefinedValue' ? '' : pythonSource(value)
}

/** `repr(value)`. */
function pythonSource({ type, value }: JinjaValue): string {
  switch (type) {
    case 'NullValue':
      return 'None'
    case 'UndefinedValue':
      return 'Undefined'
    case 'BooleanValue':
      return value ? 'True' : 'False'
    case 'StringValue':
      return quoted(value as string)
    case 'FloatValue':
      return Number.isInteger(value) ? (value as number).toFixed(1) : String(value)
    case 'ArrayValue':
      return `[${(value as readonly JinjaValue[]).map(pythonSource).join(', ')}]`
    case 'TupleValue': {
      const items = value as readonly JinjaValue[]
      return `(${items.map(pythonSource).join(', ')}${items.length === 1 ? ',' : ''})`
    }
    case 'ObjectValue':
    case 'NamespaceValue': {
      const entries = [...(value as ReadonlyMap<string, JinjaValue>)]
      return `{${entries.map(([key, item]) => `${quoted(key)}: ${pythonSource(item)}`).join(', ')}}`
    }
    default:
      return String(value)
  }
}

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const names: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', [quote]: `\\${quote}` }
  const body = [...text].map((character) => {
    const code = character.codePointAt(0)!
    const hex = code < 0x20 || code === 0x7f ? `\\x${code.toString(16).padStart(2, '0')}` : character
    return names[character] ?? hex
  })
  return `${quote}${body.join('')}${quote}`
}

/** `a == b` by content; None equals only None, and 1 equals True. */
export function pythonEquals(a: JinjaValue, b: JinjaValue): boolean {
  const isNumber = ({ type }: JinjaValue) => /^(Integer|Float|Boolean)Value$/.test(type)
  if (isNumber(a) && isNumber(b)) return Number(a.value) === Number(b.value)
  if (a.type !== b.type) return false
  if (Array.isArray(a.value) && Array.isArray(b.value)) {
    const others: readonly JinjaValue[] = b.value
    return a.value.length === others.length && a.value.every((item: JinjaValue, i) => pythonEquals(item, others[i]!))
  }
  if (a.value instanceof Map && b.value instanceof Map) {
    const others: ReadonlyMap<string, JinjaValue> = b.value
    const entries: readonly [string, JinjaValue][] = [...a.value]
    if (entries.length !== others.size) return false
    return entries.every(([key, item]) => {
      const other = others.get(key)
      return other !== undefined && pythonEquals(item, other)
    })
  }
  return a.value === b.value
}
