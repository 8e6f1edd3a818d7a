import { fail } from '../base/errors.ts'
import type { CacheDtype } from '../ops/cacheWrite.ts'
import type { Io } from './command.ts'
import { anyModel, defineCommand } from './command.ts'
import { fittingContext } from './fittingContext.ts'
import { given } from './given.ts'
import { checkIds, givenIds } from './givenIds.ts'
import { isRunFolder, openModel } from './openModel.ts'

export const logits = defineCommand({
  name: 'logits',
  summary: 'Writes the logits of token ids to a safetensors file: tensor `logits`, f32 [tokens, vocabulary].',
  model: anyModel,
  options: ['ids', 'idsFile', 'out', 'mode', 'threads', 'context', 'strict', 'cache', 'target'],
  required: ['out'],
  examples: ['ck logits model.gguf --ids 1,403,407 -o logits.safetensors --mode decode'],
  async run({ model: path, options, io }) {
    const { out = '', mode = 'prefill' } = options
    const ids = givenIds(options)
    if (!ids)
      return fail('option_invalid', { option: '--ids', found: 'missing', accepted: 'one of --ids and --ids-file' })
    const { writeSafetensors } = await import('../formats/writeSafetensors.ts')
    const { name, vocabulary, values } =
      mode === 'interpret' ? await interpreted(path, ids) : await evaluated(path, ids, { ...options, mode }, io)
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    const shape = [ids.length, vocabulary]
    writeSafetensors(out, [{ name: 'logits', dtype: 'f32', shape, data }], { model: name, mode })
    return 0
  },
})

interface Logits {
  readonly name: string
  readonly vocabulary: number
  /** [tokens, vocabulary] */
  readonly values: Float32Array
}

interface EvaluationOptions {
  readonly mode: 'prefill' | 'decode'
  readonly threads?: number
  readonly context?: number
  readonly strict?: true
  readonly cache?: CacheDtype
  readonly target?: string
}

async function evaluated(path: string, ids: readonly number[], options: EvaluationOptions, io: Io): Promise<Logits> {
  const { target, strict, cache, threads, mode } = options
  const context = options.context ?? (isRunFolder(path) ? undefined : await fittingContext(path, ids.length))
  const model = await openModel(path, given({ target, context, strict, cache }), io)
  try {
    const { name, vocabulary } = model.info
    const values = await model.session(given({ threads })).logits(ids, { mode, signal: io.signal })
    return { name, vocabulary, values }
  } finally {
    await model.close()
  }
}

async function interpreted(path: string, ids: readonly number[]): Promise<Logits> {
  if (isRunFolder(path)) {
    const accepted = 'prefill or decode for a run folder; interpret needs the checkpoint'
    fail('option_invalid', { option: '--mode', found: 'interpret', accepted })
  }
  const { openCheckpoint } = await import('../formats/openCheckpoint.ts')
  const { interpretLogits } = await import('../parity/interpretModel.ts')
  const { readModel } = await import('../templates/readModel.ts')
  const checkpoint = openCheckpoint(path)
  try {
    const model = readModel(checkpoint, ids.length)
    const { vocabulary, context } = model.sizes
    checkIds(ids, vocabulary)
    if (ids.length > context) fail('context_exceeded', { tokens: ids.length, context })
    const values = Float32Array.from(interpretLogits(checkpoint, model, ids).data)
    return { name: checkpoint.name, vocabulary, values }
  } finally {
    checkpoint.close()
  }
}
