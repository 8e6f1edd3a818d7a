import { availableParallelism } from 'node:os'
import { defineCommand } from './command.ts'
import { formatBytes } from './formatBytes.ts'

export const tokenizerTrain = defineCommand({
  name: 'tokenizer train',
  summary: 'Trains a byte-level BPE tokenizer on UTF-8 texts and writes it as tokenizer.json.',
  model: null,
  files: 'files of text; each line is cut into words by itself',
  options: ['vocab', 'out', 'wordSplit', 'specials', 'beginToken', 'minFrequency', 'threads', 'json'],
  required: ['vocab'],
  explanation:
    'Vocabulary and merges are those of the Hugging Face tokenizers library (BpeTrainer with the byte alphabet) on the same\n' +
    'files, in the same order. What encoding and decoding the files does not give back is not written.',
  examples: [
    'ck tokenizer train shakespeare.txt --vocab 2048',
    'ck tokenizer train a.txt b.txt --vocab 8192 --split llama3 --special "<|endoftext|>" -o tokenizer.json',
  ],
  async run({ files, options, io }) {
    const { trainTokenizer } = await import('../train/tokenizer/trainTokenizer.ts')
    const {
      vocab = 0,
      out = 'tokenizer.json',
      wordSplit: split = 'qwen2',
      specials = [],
      beginToken: bos,
      minFrequency = 0,
    } = options
    const threads = options.threads ?? Math.min(availableParallelism(), 64)
    const special = specials.flat()
    const settings = { files, vocabulary: vocab, split, special, minFrequency, threads, signal: io.signal }
    const training = { ...settings, ...(bos === undefined ? {} : { bos }) }
    const trained = await trainTokenizer(training, out)
    if (options.json) {
      io.out(`${JSON.stringify({ path: out, ...trained })}\n`)
      return 0
    }
    const { vocabulary, merges, bytes, words } = trained
    io.out(`${out}: ${vocabulary} tokens, ${merges} merges of ${formatBytes(bytes)} with ${words} distinct words\n`)
    if (vocabulary < vocab) {
      const least = minFrequency > 1 ? ` that stands there ${minFrequency} times` : ''
      io.note(`ck: ${vocabulary} of ${vocab} tokens: the texts have no further pair${least}`)
    }
    return 0
  },
})
