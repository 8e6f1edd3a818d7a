import { fail } from '../base/errors.ts'
import { printable } from '../formats/names.ts'
import type { Piece, TokenizerContract } from './contract.ts'

/** More pieces than any tokenizer; ids stay exact in every table. */
export const mostPieces = 1 << 22

/**
 * Returns the contract if its parts fit each other: ids in range, one piece per text, every byte can be written.
 * Raises tokenizer_invalid.
 */
export function checkContract(contract: TokenizerContract): TokenizerContract {
  const { path, pieces, merges } = contract
  const refuse = (what: string, accepted: string): never => fail('tokenizer_invalid', { path, what, accepted })
  if (pieces.length === 0 || pieces.length > mostPieces) {
    refuse(`the vocabulary has ${pieces.length} tokens`, `1 to ${mostPieces}`)
  }
  for (const name of ['bos', 'eos', 'eot', 'unknown'] as const) {
    const id = contract[name]
    if (!Number.isInteger(id) || id < -1 || id >= pieces.length) {
      refuse(`the ${name} id ${id} is outside the vocabulary`, `0 to ${pieces.length - 1}`)
    }
  }
  for (const id of contract.ends) {
    if (!(id >= 0 && id < pieces.length))
      refuse(`the end id ${id} is outside the vocabulary`, `0 to ${pieces.length - 1}`)
  }
  if (contract.addBos && contract.bos < 0) refuse('BOS is to be added, and there is no BOS id', 'a BOS id')
  if (contract.addEos && contract.eos < 0) refuse('EOS is to be added, and there is no EOS id', 'an EOS id')
  if (merges.length % 3 !== 0 || merges.some((id) => id >= pieces.length)) {
    refuse('a merge names an id outside the vocabulary', `0 to ${pieces.length - 1}`)
  }
  checkScores(contract)
  checkTexts(contract)
  checkBytes(contract)
  return contract
}

function checkScores({ path, kind, pieces, scores }: TokenizerContract): void {
  if (!scores && kind === 'unigram') {
    fail('tokenizer_invalid', { path, what: 'scores are missing', accepted: 'one score per token' })
  }
  if (!scores) return
  if (scores.length !== pieces.length) {
    fail('tokenizer_invalid', { path, what: `${scores.length} scores`, accepted: `${pieces.length}, one per token` })
  }
  const at = scores.findIndex((score) => (kind === 'unigram' ? !Number.isFinite(score) : Number.isNaN(score)))
  if (at >= 0)
    fail('tokenizer_invalid', { path, what: `the score of token ${at} is not a number`, accepted: 'numbers' })
}

function checkTexts({ path, pieces }: TokenizerContract): void {
  const seen = new Map<string, number>()
  pieces.forEach((piece, id) => {
    if (piece.type !== 'normal') return
    const key = keyOf(piece)
    const first = seen.get(key)
    if (key === '' || first !== undefined) {
      const what = key === '' ? `token ${id} is empty` : `tokens ${first} and ${id} are both ${quoted(piece)}`
      fail('tokenizer_invalid', { path, what, accepted: 'normal tokens with a text of their own' })
    }
    seen.set(key, id)
  })
}

/** Bytes that no character of the planes in use has: a vocabulary may lack them. */
const rareBytes = new Set([0xc0, 0xc1, ...Array.from({ length: 15 }, (_, i) => 0xf1 + i)])

function checkBytes(contract: TokenizerContract): void {
  const { path, kind, byteFallback, unknown } = contract
  const ids = byteIds(contract)
  const missing = ids.findIndex((id, byte) => id < 0 && !(kind === 'bpe' && rareBytes.has(byte)))
  if (kind === 'bpe' && missing >= 0) {
    fail('tokenizer_invalid', {
      path,
      what: `no token for the single byte 0x${hex(missing)}`,
      accepted: 'a byte-level vocabulary with a token for every byte that UTF-8 text can have',
    })
  }
  if ((kind === 'spm' || kind === 'unigram') && byteFallback && missing >= 0) {
    fail('tokenizer_invalid', {
      path,
      what: `byte fallback is on, and token <0x${hex(missing)}> is missing`,
      accepted: 'all 256 byte tokens <0x00> to <0xFF>',
    })
  }
  if (kind !== 'bpe' && !(byteFallback && kind !== 'wordpiece') && unknown < 0) {
    const what = 'characters outside the vocabulary have no token'
    fail('tokenizer_invalid', {
      path,
      what,
      accepted: kind === 'wordpiece' ? 'an unknown token' : '256 byte tokens, or an unknown token',
    })
  }
}

/** [256] the id that writes each byte alone; -1: none. Raises tokenizer_invalid where two byte tokens are the same byte. */
export function byteIds({ path, kind, pieces }: TokenizerContract): Int32Array {
  const ids = new Int32Array(256).fill(-1)
  pieces.forEach(({ bytes, type }, id) => {
    if (bytes.length !== 1 || type !== (kind === 'bpe' ? 'normal' : 'byte')) return
    const byte = bytes[0]!
    if (ids[byte]! >= 0) {
      const what = `tokens ${ids[byte]} and ${id} are both the byte 0x${hex(byte)}`
      fail('tokenizer_invalid', { path, what, accepted: 'one token per byte' })
    }
    ids[byte] = id
  })
  return ids
}

/** The bytes of a piece as a string of code units 0 to 255, for maps. */
export function keyOf(piece: Piece): string {
  return Buffer.from(piece.bytes.buffer, piece.bytes.byteOffset, piece.bytes.length).toString('latin1')
}

function quoted(piece: Piece): string {
  return printable(JSON.stringify(Buffer.from(piece.bytes).toString('utf8')), 80)
}

const hex = (byte: number) => byte.toString(16).toUpperCase().padStart(2, '0')
