import { readFileSync } from 'node:fs'
import { fail } from '../base/errors.ts'
import { parseJson } from '../formats/parseJson.ts'
import { writeBeside } from '../formats/writeBeside.ts'
import type { ChatTurn } from '../run/session.ts'

const roles = ['system', 'user', 'assistant'] as const

/** Writes a conversation as JSON: `{ "format": 1, "messages": [{ "role", "content" }] }`. Refuses `write_failed`. */
export function saveConversation(path: string, messages: readonly ChatTurn[]): void {
  const text = `${JSON.stringify({ format: 1, messages }, null, 1)}\n`
  writeBeside(path, (file) => file.append(Buffer.from(text)))
}

/** The messages of a conversation that was saved. Refuses `file_missing` and `file_malformed`. */
export function loadConversation(path: string): readonly ChatTurn[] {
  const json = parseJson(path, readConversation(path), 'the file')
  const { format, messages } = (json ?? {}) as { readonly format?: unknown; readonly messages?: unknown }
  const isTurn = (turn: Partial<ChatTurn> | null) =>
    typeof turn?.content === 'string' && roles.some((role) => role === turn.role)
  if (format === 1 && Array.isArray(messages) && messages.every(isTurn)) return messages as readonly ChatTurn[]
  return fail('file_malformed', { path, what: 'no conversation', accepted: 'a file that /save wrote' })
}

function readConversation(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const cause = error instanceof Error && 'code' in error ? String(error.code) : ''
    return fail('file_missing', { path, cause })
  }
}
