import { fail } from '../base/errors.ts'
import type { ModelShape } from '../train/init/freshSizes.ts'
import { defineCommand } from './command.ts'
import { given } from './given.ts'
import { longName, type OptionName } from './options.ts'

/** The option of each size. */
const optionOf: { readonly [K in keyof Required<ModelShape>]: OptionName | undefined } = {
  vocab: 'vocabulary',
  dim: 'dim',
  layers: 'layers',
  hidden: 'hidden',
  heads: 'heads',
  kvHeads: 'kvHeads',
  headDim: 'headDim',
  contextLen: 'contextLen',
  tied: 'tied',
  theta: 'ropeTheta',
  eps: undefined,
  window: 'attentionWindow',
}

export const init = defineCommand({
  name: 'init',
  summary: 'Writes a fresh model with random weights as a transformers folder, to be trained.',
  model: null,
  options: [
    ...(['family', 'vocabulary', 'tokenizerFile', 'dim', 'layers', 'hidden', 'heads', 'kvHeads', 'headDim'] as const),
    ...(['contextLen', 'tied', 'ropeTheta', 'attentionWindow', 'init', 'deviation', 'seed', 'out', 'json'] as const),
  ],
  required: ['family', 'out'],
  explanation: `Weights begin as the family's reference begins them: matrices normal, gains of norms 1, biases 0. The same options give the
same bytes on every machine.
`,
  examples: [
    'ck init --template qwen3 --vocab 4096 --dim 128 --hidden 384 --layers 4 -o fresh',
    'ck init --template llama --tokenizer tokenizer.json --init xavier_uniform --seed 7 -o fresh',
  ],
  async run({ options, io }) {
    const { family = '', vocabulary, tokenizerFile, out = '', init: method, deviation, seed, json } = options
    const { makeFreshModel, writeFreshModel, freshFamilies } = await import('../train/freshModel.ts')
    const { nearestOf } = await import('../train/config/nearest.ts')
    const { readTokenizerFiles } = await import('../train/init/tokenizerFiles.ts')
    if (!freshFamilies.includes(family)) {
      fail('option_invalid', { option: '--template', found: family, accepted: nearestOf(family, freshFamilies) })
    }
    const tokenizer = tokenizerFile === undefined ? undefined : readTokenizerFiles(tokenizerFile)
    const vocab = vocabulary ?? tokenizer?.vocabulary
    if (vocab === undefined) {
      fail('option_invalid', { option: '--vocab', found: '', accepted: 'a whole number of at least 1, or --tokenizer' })
    }
    if (tokenizer && vocab < tokenizer.vocabulary) {
      const accepted = `at least the ${tokenizer.vocabulary} tokens of ${tokenizerFile}`
      fail('option_invalid', { option: '--vocab', found: String(vocab), accepted })
    }
    const { dim, layers, hidden, heads, kvHeads, headDim, contextLen, tied, ropeTheta, attentionWindow } = options
    const flag = tied === undefined ? undefined : tied === 'yes'
    const shape = {
      vocab,
      ...given({ dim, layers, hidden, heads, kvHeads, headDim, contextLen }),
      ...given({ tied: flag, theta: ropeTheta, window: attentionWindow }),
    }
    const model = makeFreshModel(family, shape, given({ method, deviation, seed }), (key, found, accepted) => {
      const name = optionOf[key]
      return fail('option_invalid', { option: name ? longName(name) : key, found, accepted })
    })
    writeFreshModel(out, model, tokenizer ?? {})
    const { sizes, parameters } = model
    if (json) {
      io.out(`${JSON.stringify({ path: out, template: family, parameters, ...sizes })}\n`)
      return 0
    }
    io.out(
      `${out}: ${family}, ${parameters.toLocaleString('en-US')} parameters: vocabulary ${sizes.vocabulary}, ` +
        `dim ${sizes.dim}, layers ${sizes.layers}, hidden ${sizes.ffn}, heads ${sizes.heads} (${sizes.kvHeads} of keys ` +
        `and values) of ${sizes.headDim}, context ${sizes.context}\n`,
    )
    return 0
  },
})
