import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GenerationSettings, type Library, loadLibrary, type Piece } from '../../src/run/library.ts'
import type { Answer } from '../../src/run/native.ts'
import { bos, context, eos, firstPiece, scratchFolder, tablesOf, type WeightsOptions, writeWeights } from './fixture.ts'

const folder = scratchFolder()
let library: Library
let files = 0

beforeAll(() => {
  library = loadLibrary(folder.build(join(folder.path, 'libmodel.so')), folder.path)
})
afterAll(folder.remove)

const greedy: GenerationSettings = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repeatPenalty: 1,
  repeatWindow: 0,
  seed: 1n,
  tokens: 0,
  stops: [],
  ignoreEos: false,
  overflow: 'refuse',
  keep: 0,
}

function resultOf<T>(answer: Answer<T>): T {
  if (answer.status !== 'ok') throw new Error(`${answer.status}: ${answer.message}`)
  return answer.value
}

interface Run {
  readonly script: readonly number[]
  readonly pieces?: WeightsOptions['pieces']
  readonly tables?: Uint8Array
  readonly prompt?: readonly number[]
  readonly settings?: Partial<GenerationSettings>
}

/** Generates with a model that says `script` after the prompt. */
async function generate(run: Run): Promise<Piece[]> {
  const prompt = run.prompt ?? [bos]
  const path = join(folder.path, `${files++}.bump`)
  const { pieces: tokens = [], tables } = run
  const scriptFrom = prompt.length - 1
  writeWeights(path, { script: run.script, scriptFrom, pieces: tokens, ...(tables ? { tables } : {}) })
  const model = resultOf(await library.modelOpen(path))
  const session = resultOf(library.contextOpen(model, 2))
  const opened = library.generationOpen(session, 0, Int32Array.from(prompt), { ...greedy, ...run.settings })
  const generation = resultOf(opened)
  const pieces: Piece[] = []
  do pieces.push(resultOf(await library.generationNext(generation)))
  while (!pieces.at(-1)?.finish)
  const after = await library.generationNext(generation)
  expect(after).toEqual({ status: 'argument', message: 'the generation has finished; open another one' })
  library.generationClose(generation)
  library.contextClose(session)
  library.modelClose(model)
  return pieces
}

const bytesOf = (text: string) => [...Buffer.from(text)]
const textOf = (pieces: readonly Piece[]) => pieces.map((piece) => piece.text).join('')

describe('text out of tokens', () => {
  it('is given in whole characters', async () => {
    const pieces = await generate({ script: [...bytesOf('aé€😀.'), eos] })
    expect(pieces.map((piece) => piece.text)).toEqual(['a', '', 'é', '', '', '€', '', '', '', '😀', '.', ''])
    expect(pieces.at(-1)).toEqual({ id: eos, text: '', finish: 'eos' })
  })

  it('shows bytes that are no character as U+FFFD, and an unfinished one at the end', async () => {
    expect(textOf(await generate({ script: [97, 0xff, 98, 0xe2, 0x82, 99, 0xf0, 0x9f, eos] }))).toBe('a�b�c�')
  })

  it('begins without the space that the first token of a text carries', async () => {
    const pieces = [' one', ' two']
    const script = [firstPiece, firstPiece + 1, eos]
    expect(textOf(await generate({ script, pieces }))).toBe('one two')
    expect(textOf(await generate({ script, pieces, prompt: [bos, 97] }))).toBe(' one two')
    expect(textOf(await generate({ script: [bos, ...script], pieces }))).toBe('one two')
  })

  it('comes in several pieces where one token is long', async () => {
    const long = '€'.repeat(900)
    const pieces = await generate({ script: [firstPiece, 97, eos], pieces: [`x${long}`] })
    expect(textOf(pieces)).toBe(`x${long}a`)
    expect(pieces.map((piece) => piece.id)).toEqual([firstPiece, -1, -1, 97, eos])
    for (const piece of pieces) expect(Buffer.byteLength(piece.text)).toBeLessThanOrEqual(1024)
  })

  it('has no text for ids beyond the tokenizer', async () => {
    expect(textOf(await generate({ script: [97, 299, 98, eos] }))).toBe('ab')
  })
})

describe('a generation ends', () => {
  it('at an end-of-text token, unless told to go on', async () => {
    const script = [97, eos, 98, 99]
    const first = await generate({ script })
    expect(first.map((piece) => piece.id)).toEqual([97, eos])
    expect(first.at(-1)?.finish).toBe('eos')
    const second = await generate({ script, settings: { ignoreEos: true, tokens: 4 } })
    expect(textOf(second)).toBe('abc')
    expect(second.at(-1)?.finish).toBe('length')
  })

  it('after so many tokens', async () => {
    const pieces = await generate({ script: bytesOf('abcdef'), settings: { tokens: 3 } })
    expect(pieces.map((piece) => piece.finish)).toEqual([undefined, undefined, 'length'])
    expect(textOf(pieces)).toBe('abc')
  })

  it('when the context is full, with the token that no longer fits', async () => {
    const pieces = await generate({ script: bytesOf('x'.repeat(80)), prompt: new Array(60).fill(97) })
    expect(pieces.length).toBe(context - 60 + 1)
    expect(pieces.at(-1)?.finish).toBe('context')
  })

  it('before a stop string that spans tokens, and never shows a part of it', async () => {
    const pieces = await generate({ script: bytesOf('ab STOP cd'), settings: { stops: ['xyz', 'STOP'] } })
    expect(pieces.map((piece) => piece.text)).toEqual(['a', 'b', ' ', '', '', '', ''])
    expect(pieces.at(-1)).toEqual({ id: 80, text: '', finish: 'stop' })
  })

  it('not before a stop string that only began', async () => {
    const pieces = await generate({ script: [...bytesOf('STOX'), eos], settings: { stops: ['STOP'] } })
    expect(pieces.map((piece) => piece.text)).toEqual(['', '', '', 'STOX', ''])
    const atEnd = await generate({ script: [...bytesOf('aST'), eos], settings: { stops: ['STOP'] } })
    expect(textOf(atEnd)).toBe('aST')
  })

  it('before a stop string of several characters inside one token', async () => {
    const pieces = await generate({ script: [firstPiece], pieces: ['one €END two'], settings: { stops: ['€END'] } })
    expect(pieces).toEqual([{ id: firstPiece, text: 'one ', finish: 'stop' }])
  })

  it('as if it had read character by character, for any bytes, stops and tokens', async () => {
    let state = 12345
    const next = (most: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return Math.floor((state / 2 ** 32) * most)
    }
    const parts = ['a', 'b', 'ab', 'é', '€', '😀']
    const word = (most: number) => Array.from({ length: 1 + next(most) }, () => parts[next(parts.length)]).join('')
    // Tokens of 1 to 4 bytes, which begin and end anywhere in a character.
    const tokens = Array.from({ length: 40 }, () => {
      const text = Buffer.from(word(4))
      const from = next(Math.min(4, text.length))
      return text.subarray(from, from + 1 + next(4))
    })
    const tables = tablesOf(tokens)
    for (let i = 0; i < 300; i++) {
      const stops = Array.from({ length: next(4) }, () => word(3))
      const said = Array.from({ length: 1 + next(20) }, () => next(tokens.length))
      const all = Buffer.concat(said.map((token) => tokens[token]!))
      const script = [...said.map((token) => firstPiece + token), eos]
      let expected = ''
      for (const character of new TextDecoder('utf-8', { ignoreBOM: true }).decode(all)) {
        expected += character
        const ends = stops.filter((stop) => expected.endsWith(stop)).map((stop) => stop.length)
        if (ends.length > 0) {
          expected = expected.slice(0, expected.length - Math.max(...ends))
          break
        }
      }
      const pieces = await generate({ script, tables, settings: { stops } })
      expect(textOf(pieces), JSON.stringify({ all: [...all], stops })).toBe(expected)
    }
  })
})

describe('the repetition penalty', () => {
  it('looks back over the prompt and over what was said', async () => {
    const run = { script: bytesOf('aaaa'), settings: { tokens: 3, repeatPenalty: 1000, repeatWindow: 2 } }
    const ids = (await generate({ ...run, prompt: [bos, 98] })).map((piece) => piece.id)
    expect(ids[0]).toBe(97)
    expect(ids[1]).not.toBe(97)
    const after = (await generate({ ...run, prompt: [97, 98] })).map((piece) => piece.id)
    expect(after[0]).not.toBe(97)
  })
})

describe('opening a generation', () => {
  it('refuses prompts, limits and stops out of their ranges', async () => {
    const path = writeWeights(join(folder.path, 'open.bump'))
    const model = resultOf(await library.modelOpen(path))
    const session = resultOf(library.contextOpen(model, 1))
    const messageOf = (prompt: readonly number[], settings: Partial<GenerationSettings>) => {
      const answer = library.generationOpen(session, 0, Int32Array.from(prompt), { ...greedy, ...settings })
      return answer.status === 'ok' ? '' : `${answer.status}: ${answer.message}`
    }
    expect(messageOf([], {})).toBe('argument: the prompt has 0 tokens; accepted: 1 or more')
    expect(messageOf([1, -5], {})).toContain('token id -5 at position 1')
    expect(messageOf(new Array(65).fill(1), {})).toContain('context: a prompt of 65 tokens after the 0 held')
    expect(messageOf([1], { tokens: -1 })).toBe('argument: tokens is -1; accepted: 0 (no limit) or more')
    expect(messageOf([1], { topP: 2 })).toContain('argument: top_p is 2')
    expect(messageOf([1], { stops: new Array(17).fill('a') })).toBe('argument: 17 stop strings; accepted: 0 to 16')
    expect(messageOf([1], { stops: ['a', 'x'.repeat(257)] })).toContain('stop string 1 is empty, too long or no UTF-8')
    expect(messageOf([1], { stops: ['a', ''] })).toContain('stop string 1 is empty, too long or no UTF-8')
    library.contextClose(session)
    library.modelClose(model)
  })
})
