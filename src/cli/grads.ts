import { fail } from '../base/errors.ts'
import { anyCheckpoint, defineCommand } from './command.ts'
import { compiledGradients } from './compiledGradients.ts'
import { given } from './given.ts'
import { checkIds } from './givenIds.ts'
import { isRunFolder } from './openModel.ts'
import { readBatch } from './readBatch.ts'

export const grads = defineCommand({
  name: 'grads',
  summary: 'Writes the loss of sequences of token ids and its gradients to a safetensors file.',
  model: anyCheckpoint,
  options: ['idsFile', 'out', 'dtype', 'precision', 'threads', 'target'],
  required: ['idsFile', 'out'],
  explanation:
    'The file of ids is a JSON array of arrays of one length. Tensor `loss` is the mean cross-entropy of every token but the ' +
    'first of each sequence; `grad.NAME` is the gradient of the tensor NAME of the checkpoint, in its shape. With --dtype f32 the\n' +
    'compiled training program computes them, with f64 the float64 interpreter, which is slow.',
  examples: [
    'ck grads model.gguf --ids-file batch.json -o gradients.safetensors',
    'ck grads model.gguf --ids-file batch.json -o gradients.safetensors --dtype f64',
  ],
  async run({ model: path, options, io }) {
    const { idsFile = '', out = '', dtype = 'f32', precision, threads, target } = options
    if (isRunFolder(path)) {
      const accepted = 'a checkpoint; a run folder does not say what its weights were stored as'
      fail('option_invalid', { option: 'MODEL', found: path, accepted })
    }
    if (dtype === 'f64' && precision !== undefined) {
      const accepted = 'with --dtype f32; the interpreter computes in float64'
      fail('option_invalid', { option: '--precision', found: precision, accepted })
    }
    const batch = readBatch(idsFile)
    const { openCheckpoint } = await import('../formats/openCheckpoint.ts')
    const { writeSafetensors } = await import('../formats/writeSafetensors.ts')
    const { interpretGradients } = await import('../parity/interpretGradients.ts')
    const { readModel } = await import('../templates/readModel.ts')
    const checkpoint = openCheckpoint(path)
    try {
      const tokens = batch[0]!.length
      const model = readModel(checkpoint, tokens)
      const { vocabulary, context } = model.sizes
      for (const ids of batch) checkIds(ids, vocabulary)
      if (tokens > context) fail('context_exceeded', { tokens, context })
      const { loss, tensors } =
        dtype === 'f64'
          ? interpretGradients(checkpoint, model, batch)
          : await compiledGradients(checkpoint, model, batch, given({ precision, threads, target }), io)
      const Words = dtype === 'f64' ? Float64Array : Float32Array
      const record = (name: string, shape: readonly number[], values: Iterable<number>) => {
        const data = new Uint8Array(Words.from(values).buffer)
        return { name, dtype, shape, data }
      }
      const gradients = [...tensors].map(([name, { shape, data }]) => record(`grad.${name}`, shape, data))
      writeSafetensors(out, [record('loss', [], [loss]), ...gradients], { model: checkpoint.name })
      return 0
    } finally {
      checkpoint.close()
    }
  },
})
