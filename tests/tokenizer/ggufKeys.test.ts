import { expect, it } from 'vitest'
import type { MetadataValue } from '../../src/formats/checkpoint.ts'
import { readTokenizer } from '../../src/tokenizer/readTokenizer.ts'
import { writeGgufTokenizer } from '../../src/tokenizer/writeGgufTokenizer.ts'
import { seeded } from './randomText.ts'
import { byteContract, characterContract, wordpieceContract } from './smallContracts.ts'

it('a byte-level tokenizer is the same after it was written to GGUF keys and read', () => {
  const contract = byteContract(seeded(1))
  const keys = writeGgufTokenizer(contract, contract.pieces.length + 3)
  const metadata = new Map(Object.entries(keys).map(([key, { value }]) => [key, value as MetadataValue]))
  const read = readTokenizer({ format: 'gguf', metadata, types: new Map() }, contract.path)
  const plain = (pieces: typeof contract.pieces) => pieces.map(({ bytes, type }) => [[...bytes], type])
  const { length } = contract.pieces
  expect(plain(read!.pieces.slice(0, length))).toEqual(plain(contract.pieces))
  expect(read!.pieces.slice(length).map(({ type }) => type)).toEqual(['unused', 'unused', 'unused'])
  expect({ ...read!, pieces: [] }).toEqual({ ...contract, pieces: [] })
})

it('a WordPiece tokenizer is the same after it was written to GGUF keys and read', () => {
  const contract = wordpieceContract(seeded(6))
  const keys = writeGgufTokenizer(contract, contract.pieces.length)
  const metadata = new Map(Object.entries(keys).map(([key, { value }]) => [key, value as MetadataValue]))
  const read = readTokenizer({ format: 'gguf', metadata, types: new Map() }, contract.path)
  const plain = (pieces: typeof contract.pieces) => pieces.map(({ bytes, type }) => [[...bytes], type])
  expect(plain(read!.pieces)).toEqual(plain(contract.pieces))
  expect({ ...read!, pieces: [] }).toEqual({ ...contract, pieces: [] })
  expect(() => writeGgufTokenizer({ ...contract, mostWordCharacters: 7 }, 500)).toThrow(/no key for how it normalises/)
})

it('a tokenizer that GGUF has no keys for is refused', () => {
  const characters = { ...characterContract(seeded(2)), scores: null }
  expect(() => writeGgufTokenizer(characters, 500)).toThrow(
    /no keys for all rules of a SentencePiece-style tokenizer.*accepted: byte-level BPE or WordPiece/,
  )
  const split = byteContract(seeded(1), ['\\w+'])
  expect(() => writeGgufTokenizer(split, 500)).toThrow(/GGUF has no name for the patterns that cut its text; accepted/)
})
