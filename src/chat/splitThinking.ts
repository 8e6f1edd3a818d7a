import { stripStart } from './pythonText.ts'

/** What the model thinks, with its markers, or what it answers. */
export type PieceKind = 'thinking' | 'answer'

/** A piece of an answer. */
export interface SplitPiece {
  readonly kind: PieceKind
  readonly text: string
}

/** Tells what is thought from the answer in a text that comes piece by piece; src/engine/chat_text.c does the same. */
export interface ThinkingSplitter {
  /** The pieces that are certain after `text`. */
  add(text: string): readonly SplitPiece[]
  /** What was held back. */
  end(): readonly SplitPiece[]
}

type State = 'begins' | 'thinks' | 'thought' | 'answers'

/** A splitter for an answer; `markers` null: all of it is answer. `isOpen`: the prompt has opened the thinking. */
export function splitThinking(
  markers: { readonly start: string; readonly end: string } | null,
  isOpen: boolean,
): ThinkingSplitter {
  let state: State = markers ? (isOpen ? 'thinks' : 'begins') : 'answers'
  let held = ''
  const take = (length: number, kind: PieceKind): SplitPiece => {
    const text = held.slice(0, length)
    held = held.slice(length)
    return { kind, text }
  }
  const next = (isOver: boolean): SplitPiece | undefined => {
    if (held === '') return undefined
    if (state === 'begins' && markers) {
      const begun = stripStart(held)
      if (begun.startsWith(markers.start)) state = 'thinks'
      else if (markers.start.startsWith(begun) && !isOver) return undefined
      else state = 'answers'
    }
    if (state === 'thinks' && markers) {
      const at = held.indexOf(markers.end)
      if (at < 0) return take(isOver ? held.length : held.length - begunBytes(held, markers.end), 'thinking')
      state = 'thought'
      return take(at + markers.end.length, 'thinking')
    }
    if (state === 'thought') {
      // Line ends between thinking and answer belong to neither; they go with the thinking.
      const lines = /^\n+/.exec(held)
      if (lines) return take(lines[0].length, 'thinking')
      state = 'answers'
    }
    return take(held.length, 'answer')
  }
  const all = (isOver: boolean) => {
    const pieces: SplitPiece[] = []
    for (let piece = next(isOver); piece && piece.text !== ''; piece = next(isOver)) pieces.push(piece)
    return pieces
  }
  return {
    add(text) {
      held += text
      return all(false)
    },
    end: () => all(true),
  }
}

/** Characters at the end of `text` that may become `marker`. */
function begunBytes(text: string, marker: string): number {
  let length = Math.min(marker.length - 1, text.length)
  while (length > 0 && !marker.startsWith(text.slice(text.length - length))) length--
  return length
}

/** What the beginning of an answer has opened: from a start marker without an end marker behind it; '' where nothing. */
export function openedBy(beginning: string, markers: { readonly start: string; readonly end: string } | null): string {
  const at = markers ? beginning.lastIndexOf(markers.start) : -1
  return markers && at >= 0 && !beginning.slice(at).includes(markers.end) ? beginning.slice(at) : ''
}
