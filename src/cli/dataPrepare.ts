import { fail } from '../base/errors.ts'
import type { DataInfo } from '../train/data/dataInfo.ts'
import { findingTexts } from '../train/data/findings.ts'
import { defineCommand } from './command.ts'
import { given } from './given.ts'
import { printTable } from './printTable.ts'
import { readText } from './readText.ts'
import { resolveModel } from './resolveModel.ts'

export const dataPrepare = defineCommand({
  name: 'data prepare',
  summary: 'Turns texts, conversations and token ids into a data set for training, and says what it cleaned.',
  model: null,
  files:
    'plain text; .jsonl with {"text": ...} or {"messages": [...]} a line; a data set; bare token ids, .bin beside .bin.json',
  options: [
    ...(['out', 'tokenizer', 'template', 'separator', 'validation', 'split', 'seed'] as const),
    ...(['invalid', 'controls', 'ascii', 'longest', 'addSpecial', 'endToken', 'json'] as const),
  ],
  required: ['out'],
  explanation: `Of conversations only the answers are learnt, with the marker that ends each; the chat template of the tokenizer's
model writes the rest. Empty and repeated documents are left out. With --split end the last share of all bytes is for
validation: a plain text without --separator is cut there, any other document belongs where it begins. Bare ids are
little-endian; .bin.json says {"dtype": "u16" or "u32", "vocabulary": 50257, "separator": 50256}, the last where there is one.
`,
  examples: [
    'ck data prepare shakespeare.txt --tokenizer model.gguf -o data/shakespeare',
    'ck data prepare chats.jsonl --tokenizer folder --split documents -o data/chats',
  ],
  async run({ files, options, io }) {
    const { out = '', tokenizer: from, template: templatePath, json, seed, ...others } = options
    const { openDataTokenizer } = await import('../train/data/openDataTokenizer.ts')
    const { prepareData } = await import('../train/data/prepareData.ts')
    if (from === undefined && templatePath !== undefined) {
      fail('option_invalid', { option: '--template', found: templatePath, accepted: 'together with --tokenizer' })
    }
    const template =
      templatePath === undefined ? {} : { template: { path: templatePath, text: readText(templatePath) } }
    const { signal } = io
    const tokenizer =
      from === undefined ? undefined : await openDataTokenizer(await resolveModel(from, io), { ...template, signal })
    const info = await prepareData(files, out, {
      options: given({ ...others, seed: seed?.toString() }),
      ...given({ tokenizer }),
      signal,
      onProgress: (done) => io.progress.show('prepare', done),
    })
    io.progress.end()
    io.out(json ? `${JSON.stringify(info, null, 1)}\n` : printDataInfo(info))
    return 0
  },
})

/** The counts of a data set, and what was found when it was made. */
export function printDataInfo({ train, validation, vocabulary, findings }: DataInfo): string {
  const counts = ({ documents, tokens, lossTokens, bytes }: DataInfo['train']) => [documents, tokens, lossTokens, bytes]
  const rows = Object.entries(findingTexts).flatMap(([name, text]) => {
    const found = findings[name as keyof typeof findingTexts]
    if (!found) return []
    const more = found.documents > found.first.length ? ', ...' : ''
    return [`${found.count} ${text}: ${found.first.join(', ')}${more}\n`]
  })
  const table = printTable([
    ['', 'documents', 'tokens', 'learnt', 'bytes'],
    ['train', ...counts(train)],
    ['validation', ...counts(validation)],
  ])
  return `${table}vocabulary ${vocabulary}\n${rows.length > 0 ? rows.join('') : 'nothing had to be cleaned\n'}`
}
