import type { ChatTurn } from './contract.ts'

const pieces = [
  ...['hello', 'What?', 'é', '世界', '😀', '{', '}}', '%', '"', "'", '\\', '&', '1.5', 'Qq', 'the end', '.'],
  ...[' ', '  ', '\n', '\n\n', '\t', '\r\n', '\u00a0', '\u2003', '\u2028', '\u001c'],
] as const

/** A conversation drawn from `seed`: sometimes a system text, then a user and an assistant in turn, a user's turn last. */
export function randomTurns(seed: number, { hasSystem }: { readonly hasSystem: boolean }): ChatTurn[] {
  let state = (seed * 0x9e3779b9) >>> 0
  const draw = (below: number) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % below
  }
  const text = (least: number) => Array.from({ length: least + draw(6) }, () => pieces[draw(pieces.length)]).join('')
  const asked = 1 + draw(4)
  const turns: ChatTurn[] = hasSystem && draw(2) === 0 ? [{ role: 'system', content: `${text(0)}x${text(0)}` }] : []
  for (let i = 0; i < asked; i++) {
    turns.push({ role: 'user', content: text(0) })
    if (i < asked - 1) turns.push({ role: 'assistant', content: text(0) })
  }
  return turns
}
