import { fail } from '../base/errors.ts'
import { anyModel, defineCommand } from './command.ts'
import { fittingContext } from './fittingContext.ts'
import { given } from './given.ts'
import { givenIds } from './givenIds.ts'
import { isRunFolder, openModel } from './openModel.ts'
import { readText } from './readText.ts'

export const embed = defineCommand({
  name: 'embed',
  summary: 'Prints the embedding of a text by an encoder (BERT): a vector of length 1.',
  model: anyModel,
  options: ['text', 'file', 'ids', 'idsFile', 'form', 'json', 'threads', 'context', 'strict', 'target'],
  examples: ['ck embed encoder.gguf --text "A sentence." -o json', 'ck embed encoder.gguf --ids 101,2023,102'],
  async run({ model: path, options, io }) {
    const { text, file, target, strict, threads } = options
    const ids = givenIds(options)
    const sources = [text, file, ids].filter((source) => source !== undefined)
    if (sources.length !== 1) {
      const found = sources.length === 0 ? 'missing' : 'given twice'
      fail('option_invalid', { option: '--text', found, accepted: 'one of --text, --file, --ids and --ids-file' })
    }
    const input = ids ?? text ?? readText(file!)
    const context = options.context ?? (isRunFolder(path) || !ids ? undefined : await fittingContext(path, ids.length))
    const model = await openModel(path, given({ target, context, strict }), io)
    try {
      const session = model.session(given({ threads }))
      const embedding = await session.embed(input, { signal: io.signal })
      const isJson = options.json === true || options.form === 'json'
      const values = [...embedding]
      io.out(isJson ? `${JSON.stringify({ model: model.info.name, embedding: values })}\n` : `${values.join(' ')}\n`)
      return 0
    } finally {
      await model.close()
    }
  },
})
