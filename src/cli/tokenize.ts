import { fail } from '../base/errors.ts'
import type { Tokenizer } from '../run/tokenizerLibrary.ts'
import { idList } from './checks.ts'
import { anyModel, defineCommand, type Io } from './command.ts'
import { isRunFolder } from './openModel.ts'
import { readIds } from './readIds.ts'
import { readText } from './readText.ts'

export const tokenize = defineCommand({
  name: 'tokenize',
  summary: "Turns text into token ids with the model's tokenizer, or ids into text. Needs a vocabulary, no weights.",
  model: anyModel,
  options: ['text', 'file', 'decode', 'special', 'addSpecial', 'json'],
  examples: ['ck tokenize model.gguf --text "Hello world"', 'ck tokenize model.gguf --decode --text 1,403,407'],
  async run({ model: path, options, io }) {
    const { text, file, decode, json } = options
    if ((text === undefined) === (file === undefined)) {
      const found = text === undefined ? 'missing' : 'given together with --file'
      fail('option_invalid', { option: '--text', found, accepted: 'one of --text and --file' })
    }
    if (decode) {
      const ids = file === undefined ? idsOf(text ?? '') : readIds(file)
      const decoded = await withTokenizer(path, io, (tokenizer) => tokenizer.decode(ids, options))
      io.out(json ? `${JSON.stringify({ text: decoded })}\n` : `${decoded}\n`)
      return 0
    }
    const source = file === undefined ? (text ?? '') : readText(file)
    const ids = await withTokenizer(path, io, (tokenizer) => tokenizer.encode(source, options))
    io.out(json ? `${JSON.stringify({ ids })}\n` : `${ids.join(' ')}\n`)
    return 0
  },
})

function idsOf(text: string): readonly number[] {
  return text.trim() === '' ? [] : idList(text, '--text')
}

async function withTokenizer<T>(
  path: string,
  io: Io,
  use: (tokenizer: Pick<Tokenizer, 'encode' | 'decode'>) => T,
): Promise<T> {
  if (isRunFolder(path)) {
    const { load } = await import('../run/session.ts')
    const model = await load(path)
    try {
      return use({
        encode: (text, options) => [...model.tokenize(text, options)],
        decode: (ids, options) => model.detokenize(ids, options),
      })
    } finally {
      await model.close()
    }
  }
  const { openCheckpoint } = await import('../formats/openCheckpoint.ts')
  const { compileTokenizer, readTokenizer } = await import('../tokenizer/tokenizer.ts')
  const { openTokenizer } = await import('../run/tokenizerLibrary.ts')
  const checkpoint = openCheckpoint(path)
  try {
    const contract = readTokenizer(checkpoint.description, path)
    if (!contract) fail('tokenizer_missing', { path })
    return use(await openTokenizer(compileTokenizer(contract), path, io.signal))
  } finally {
    checkpoint.close()
  }
}
