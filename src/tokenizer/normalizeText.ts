import { characterMaps, padded } from './characterMaps.ts'
import { readCharsmap } from './charsmap.ts'
import { contains } from './codeSet.ts'
import { acceptBit, startState } from './compilePattern.ts'
import { compileSplit } from './compileSplit.ts'
import type { NormalStep } from './normalStep.ts'
import { twoStages } from './splitTables.ts'

/** What the steps make of a text, as the engine does it. `path` is for messages. Raises tokenizer_invalid for a pattern. */
export function normalizeText(text: string, steps: readonly NormalStep[], path: string): string {
  return steps.reduce((before, step) => runStep(before, step, path), text)
}

const white = '\\p{White_Space}'

function runStep(text: string, step: NormalStep, path: string): string {
  switch (step.step) {
    case 'form':
      return text.normalize(step.form)
    case 'map': {
      const { set, map } = characterMaps[step.map]()
      return Array.from(text, (character) => {
        const code = character.codePointAt(0)!
        const mapped = contains(set, code) ? map(code) : undefined
        return mapped === padded ? ` ${character} ` : (mapped ?? character)
      }).join('')
    }
    case 'replace':
      return replaceMatches(text, step, path)
    case 'prepend':
      return text === '' ? '' : step.text + text
    case 'strip': {
      const left = step.left ? text.replace(new RegExp(`^${white}+`, 'u'), '') : text
      return step.right ? left.replace(new RegExp(`${white}+$`, 'u'), '') : left
    }
    case 'charsmap':
      return mapKeys(text, step.charsmap, step.clusters)
    case 'squeeze':
      return text.replace(/ +/g, ' ').replace(/^ | $/g, '')
  }
}

function replaceMatches(text: string, { pattern, content }: NormalStep & { step: 'replace' }, path: string): string {
  const automaton = compileSplit(path, pattern)
  const { valueAt } = twoStages(automaton.starts, automaton.classOf)
  const characters = [...text]
  const classes = [...characters.map((character) => valueAt(character.codePointAt(0)!)), automaton.classes]
  let out = ''
  for (let start = 0; start < characters.length; ) {
    let end = start
    for (let state = startState, at = start; state !== 0 && at < classes.length; at++) {
      const cell = automaton.table[state * (automaton.classes + 1) + classes[at]!]!
      if (cell & acceptBit) end = at
      state = cell & ~acceptBit
    }
    out += end > start ? content : characters[start]
    start = Math.max(end, start + 1)
  }
  return out
}

function mapKeys(text: string, charsmap: Uint8Array, clusters: boolean): string {
  const map = readCharsmap(charsmap)
  if (typeof map === 'string') return text
  if (!clusters) {
    const bytes = Buffer.from(text)
    let out = ''
    for (let at = 0; at < bytes.length; ) {
      const found = map.find(bytes, at, bytes.length, true)
      const character = String.fromCodePoint(bytes.toString('utf8', at, at + 4).codePointAt(0)!)
      out += found?.text ?? character
      at += found?.taken ?? Buffer.byteLength(character)
    }
    return out
  }
  const whole = (part: string) => {
    const bytes = Buffer.from(part)
    return map.find(bytes, 0, bytes.length, false)?.text
  }
  const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })
  return Array.from(segmenter.segment(text), ({ segment }) => {
    const found = Buffer.byteLength(segment) < 6 ? whole(segment) : undefined
    return found ?? Array.from(segment, (character) => whole(character) ?? character).join('')
  }).join('')
}
