import { type ChatArtifact, makeGivenArtifact } from '../../src/chat/chatArtifact.ts'
import { firstPiece, tablesOf } from './fixture.ts'

/** A model that speaks a script, and a chat template of single-token markers for it. */
const markers = ['<u>', '<a>', '<s>', '<e>', '<think>', '</think>'] as const
const pieces = [...markers, ' Hello', '!', 'é'] as const
export const tables = tablesOf(pieces, markers)
export const template = {
  path: 'fixture.jinja',
  text:
    "{% if messages[0].role == 'system' %}<s>{{ messages[0].content | trim }}<e>{% endif %}" +
    "{% for m in messages if m.role != 'system' %}{{ '<u>' if m.role == 'user' else '<a>' }}" +
    "{{ m.content if m.role == 'user' else m.content.split('</think>')[-1].lstrip('\\n') }}<e>{% endfor %}<a>" +
    '{% if enable_thinking is false %}<think></think>{% endif %}',
}

/** The id of a piece, or of an ASCII character. */
export function idOf(text: string): number {
  const at = pieces.indexOf(text as (typeof pieces)[number])
  return at < 0 ? text.charCodeAt(0) : firstPiece + at
}

/** Ids that the model draws at positions: from each position of `said` on, its texts. */
export function scriptOf(said: Readonly<Record<number, readonly string[]>>): number[] {
  const script: number[] = []
  for (const [from, texts] of Object.entries(said)) {
    texts.forEach((text, i) => {
      script[Number(from) + i] = idOf(text)
    })
  }
  return Array.from(script, (id) => id ?? -1)
}

export const artifact: ChatArtifact = makeGivenArtifact(template, {})
