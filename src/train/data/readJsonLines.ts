import { isUtf8 } from 'node:buffer'
import { fail } from '../../base/errors.ts'
import type { ChatRole, ChatTurn } from '../../chat/contract.ts'
import { openFile } from '../../formats/byteSource.ts'
import type { Json } from '../../formats/checkpoint.ts'
import { printable } from '../../formats/names.ts'
import { describeJson, isJsonObject, parseJson } from '../../formats/parseJson.ts'
import { type Document, type Place, placePath } from './document.ts'
import { splitBytes } from './splitBytes.ts'

/**
 * A document a line: `{"text": "..."}`, or `{"messages": [{"role": "user", "content": "..."}, ...]}` with an optional system
 * message first, then user and assistant in turn up to an assistant's. Further fields of the line are not read. Refuses
 * `file_malformed` with the line.
 */
export function* readJsonLines(
  { path, name }: { readonly path: string; readonly name: string },
  { longest }: { readonly longest: number },
): Generator<Document, void, undefined> {
  const source = openFile(path)
  try {
    let line = 0
    for (const { size, bytes } of splitBytes(source, Buffer.from('\n'), longest)) {
      line++
      const place: Place = { path, name, unit: 'line', at: line }
      yield bytes ? parseLine(place, bytes) : { kind: 'long', place, bytes: size }
    }
  } finally {
    source.close()
  }
}

function parseLine(place: Place, bytes: Uint8Array): Document {
  const path = placePath(place)
  // A damaged byte could be one of the JSON's own, so a line is not repaired.
  if (!isUtf8(bytes)) fail('file_malformed', { path, what: 'the line is no UTF-8', accepted: 'JSON in UTF-8' })
  const line = new TextDecoder().decode(bytes).trim()
  if (line === '') return { kind: 'text', place, text: '' }
  const json = parseJson(path, line, 'the line')
  const accepted = `{"text": "..."} or {"messages": [...]}`
  if (!isJsonObject(json)) return fail('file_malformed', { path, what: `the line is ${describeJson(json)}`, accepted })
  const { text, messages } = json
  if ((text === undefined) === (messages === undefined)) {
    const what = `the line has ${text === undefined ? "neither 'text' nor 'messages'" : "both 'text' and 'messages'"}`
    return fail('file_malformed', { path, what, accepted })
  }
  if (text !== undefined) return { kind: 'text', place, text: stringOf(path, text, "'text'") }
  if (!Array.isArray(messages)) {
    return fail('file_malformed', { path, what: `'messages' is ${describeJson(messages)}`, accepted: 'a list' })
  }
  const turns = (messages as readonly Json[]).map((message, i) => turnOf(path, message, i))
  checkOrder(path, turns)
  return { kind: 'chat', place, turns }
}

const roles: readonly ChatRole[] = ['system', 'user', 'assistant']

function turnOf(path: string, message: Json, i: number): ChatTurn {
  const where = `message ${i + 1}`
  if (!isJsonObject(message)) {
    return fail('file_malformed', { path, what: `${where} is ${describeJson(message)}`, accepted: 'an object' })
  }
  const { role: given, content, ...others } = message
  const role = roles.find((known) => known === given)
  if (!role) {
    const what = `the role of ${where} is ${describeJson(given)}`
    return fail('file_malformed', { path, what, accepted: roles.join(', ') })
  }
  const [other] = Object.keys(others)
  if (other !== undefined) {
    const what = `${where} has a field '${printable(other)}', which would be lost`
    return fail('file_malformed', { path, what, accepted: 'role and content' })
  }
  return { role, content: stringOf(path, content, `the content of ${where}`) }
}

function checkOrder(path: string, turns: readonly ChatTurn[]): void {
  const accepted = 'user and assistant in turn behind one system message at most, the last one an assistant'
  const shift = turns[0]?.role === 'system' ? 1 : 0
  const wrong = turns.findIndex(({ role }, i) => i >= shift && role !== ((i - shift) % 2 === 0 ? 'user' : 'assistant'))
  if (wrong >= 0) {
    fail('file_malformed', { path, what: `message ${wrong + 1} is of role '${turns[wrong]!.role}'`, accepted })
  }
  if (turns.at(-1)?.role !== 'assistant') {
    fail('file_malformed', { path, what: "'messages' ends without an answer", accepted })
  }
}

function stringOf(path: string, value: Json | undefined, what: string): string {
  if (typeof value === 'string') return value
  return fail('file_malformed', { path, what: `${what} is ${describeJson(value)}`, accepted: 'a text' })
}
