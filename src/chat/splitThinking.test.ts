import { describe, expect, it } from 'vitest'
import { openedBy, type SplitPiece, splitThinking } from './splitThinking.ts'

const markers = { start: '<think>', end: '</think>' }

function split(texts: readonly string[], isOpen = false, given: typeof markers | null = markers): SplitPiece[] {
  const splitter = splitThinking(given, isOpen)
  const joined: SplitPiece[] = []
  for (const { kind, text } of [...texts.flatMap((text) => splitter.add(text)), ...splitter.end()]) {
    const last = joined.at(-1)
    if (last?.kind === kind) joined[joined.length - 1] = { kind, text: last.text + text }
    else joined.push({ kind, text })
  }
  return joined
}
const of = (thinking: string, answer: string) => [
  ...(thinking === '' ? [] : [{ kind: 'thinking', text: thinking }]),
  ...(answer === '' ? [] : [{ kind: 'answer', text: answer }]),
]

describe('thinking and answer', () => {
  const whole = '\n<think>\nHm, <b>.</think>\n\nYes, </think>.'
  const expected = of('\n<think>\nHm, <b>.</think>\n\n', 'Yes, </think>.')

  it('are told apart however the text is cut', () => {
    expect(split([whole])).toEqual(expected)
    expect(split([...whole])).toEqual(expected)
    for (let at = 1; at < whole.length; at++) expect(split([whole.slice(0, at), whole.slice(at)])).toEqual(expected)
  })

  it('are told apart where the prompt has opened the thinking', () => {
    expect(split(['Hm.</th', 'ink>Yes.'], true)).toEqual(of('Hm.</think>', 'Yes.'))
    expect(split(['Hm.</th'], true)).toEqual(of('Hm.</th', ''))
  })

  it('come as an answer where nothing is thought, or no markers are known', () => {
    expect(split(['<thi', 's>'])).toEqual(of('', '<this>'))
    expect(split(['a <think>b</think>'])).toEqual(of('', 'a <think>b</think>'))
    expect(split([' <th'])).toEqual(of('', ' <th'))
    expect(split([whole], false, null)).toEqual(of('', whole))
  })

  it('begin as the beginning of the answer says', () => {
    expect(openedBy('<|a|>\n<think>\n', markers)).toBe('<think>\n')
    expect(openedBy('<|a|>\n<think>\n\n</think>\n', markers)).toBe('')
    expect(openedBy('<|a|>\n', markers)).toBe('')
    expect(openedBy('<think>', null)).toBe('')
  })
})
