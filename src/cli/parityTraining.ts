import { fail } from '../base/errors.ts'
import type { GradientsParity } from '../parity/compareGradients.ts'
import type { OpParity } from '../parity/compareTrace.ts'
import type { Gradients } from '../parity/interpretGradients.ts'
import type { Io } from './command.ts'
import { printTable } from './printTable.ts'
import type { TrainerOptions } from './withTrainer.ts'

/** What `ck parity --train` finds. */
export interface TrainingParity {
  readonly sequences: number
  readonly tokens: number
  /** Against the interpreter, in float64. */
  readonly interpreter: GradientsParity
  /** Against a file of gradients. */
  readonly file?: GradientsParity & { readonly path: string }
  readonly ops: readonly OpParity[]
  readonly firstDivergence?: OpParity
}

/** Compares the compiled training program of a checkpoint, op by op and gradient by gradient, over some sequences. */
export async function parityOfTraining(
  path: string,
  {
    idsFile,
    against,
    ...options
  }: Omit<TrainerOptions, 'trace'> & { readonly idsFile?: string; readonly against?: string },
  io: Io,
): Promise<TrainingParity> {
  const { openCheckpoint } = await import('../formats/openCheckpoint.ts')
  const { compareGradients } = await import('../parity/compareGradients.ts')
  const { compareTrainingTrace } = await import('../parity/compareTraining.ts')
  const { interpretGradients } = await import('../parity/interpretGradients.ts')
  const { stepInputs } = await import('../parity/stepInputs.ts')
  const { readModel } = await import('../templates/readModel.ts')
  const { weightTensor } = await import('../templates/weightRows.ts')
  const { readTraced } = await import('../train/program/trainingTrace.ts')
  const { readGradients } = await import('./compiledGradients.ts')
  const { withTrainer } = await import('./withTrainer.ts')
  if (against !== undefined && idsFile === undefined)
    fail('option_invalid', { option: '--against', found: against, accepted: 'with --ids-file, the ids that it is of' })
  const checkpoint = openCheckpoint(path)
  try {
    const batch = await batchOf(readModel(checkpoint).sizes, idsFile)
    const model = readModel(checkpoint, batch[0]!.length)
    const inputs = stepInputs(batch)
    const trace = { ...options, trace: true as const }
    const { found, ops } = await withTrainer({ checkpoint, model }, batch, trace, io, async ({ trainer, training }) => {
      await trainer.run('trace')
      const traced = training.traced!
      return {
        found: await readGradients(trainer, checkpoint, model, training.trainable),
        ops: compareTrainingTrace({
          graph: traced.graph,
          read: (value, { shape }) => readTraced(trainer, traced, value, shape.map(Number)),
          given(name, { shape }) {
            const weight = model.graph.weights.find((candidate) => candidate.name === name)
            return weight ? weightTensor(checkpoint, model, weight.sources, shape.map(Number)) : inputs[name]!
          },
        }),
      }
    })
    const firstDivergence = ops.find(({ isWithin }) => !isWithin)
    return {
      ...{ sequences: batch.length, tokens: batch[0]!.length },
      interpreter: compareGradients(interpretGradients(checkpoint, model, batch), found),
      ...(against === undefined
        ? {}
        : { file: { path: against, ...compareGradients(await readGradientFile(against), found) } }),
      ops,
      ...(firstDivergence ? { firstDivergence } : {}),
    }
  } finally {
    checkpoint.close()
  }
}

/** The report as a person reads it. */
export async function printTrainingParity(report: TrainingParity): Promise<string> {
  const { describeDivergence } = await import('../parity/compareTrace.ts')
  const { interpreter, file, ops, firstDivergence } = report
  const ofFile = new Map(file?.gradients.map((row) => [row.tensor, row]))
  const rows = interpreter.gradients.map(({ tensor, difference, share, isWithin }) => {
    const other = ofFile.get(tensor)
    return [
      isWithin && (other?.isWithin ?? true) ? 'ok' : 'OUT',
      difference.nmse.toExponential(1),
      ...(file ? [other?.difference.nmse.toExponential(1) ?? 'none'] : []),
      share.toExponential(1),
      tensor,
    ]
  })
  const sides = [{ name: 'the interpreter', parity: interpreter }, ...(file ? [{ name: file.path, parity: file }] : [])]
  const verdicts = sides.map(({ name, parity }) => {
    const out = parity.gradients.filter(({ isWithin }) => !isWithin).length
    const { expected, found } = parity.loss
    const what = parity.isWithin ? 'within' : 'NOT within'
    const lacking = parity.missing.length > 0 ? `, ${parity.missing.length} on one side only` : ''
    return `${what} the tolerance of ${name}: loss ${found} and ${expected}, ${out} gradients out${lacking}\n`
  })
  const first = firstDivergence
    ? `first divergence: ${describeDivergence(firstDivergence)}\n`
    : `no divergence in ${ops.length} values over ${report.sequences} sequences of ${report.tokens} tokens\n`
  const head = ['', 'NMSE', ...(file ? ['NMSE of the file'] : []), 'share of norm', 'gradient']
  return printTable([head, ...rows]) + verdicts.join('') + first
}

/** Whether nothing leaves its tolerance. */
export function isParity({ interpreter, file, firstDivergence }: TrainingParity): boolean {
  return interpreter.isWithin && (file?.isWithin ?? true) && firstDivergence === undefined
}

/** The sequences of a file; without one two of ids from all over the vocabulary, the same every time. */
async function batchOf(
  { vocabulary, context }: { readonly vocabulary: number; readonly context: number },
  idsFile: string | undefined,
): Promise<readonly (readonly number[])[]> {
  const { readBatch } = await import('./readBatch.ts')
  const { checkIds } = await import('./givenIds.ts')
  const length = Math.min(defaultTokens, context)
  const batch =
    idsFile === undefined
      ? [0, 1].map((row) => Array.from({ length }, (_, i) => (1 + (row * length + i) * 7919) % vocabulary))
      : readBatch(idsFile)
  for (const ids of batch) checkIds(ids, vocabulary)
  const tokens = batch[0]!.length
  if (tokens > context) fail('context_exceeded', { tokens, context })
  return batch
}

const defaultTokens = 12

/** `loss` and `grad.NAME` of a safetensors file. Refuses `file_malformed` where it has no loss. */
async function readGradientFile(path: string): Promise<Gradients> {
  const { decodeTensor } = await import('../base/dtypes.ts')
  const { openSafetensors } = await import('../formats/openSafetensors.ts')
  const { tensor } = await import('../ir/tensor.ts')
  const file = openSafetensors(path)
  try {
    const read = (name: string) => {
      const record = file.tensors.get(name)
      const accepted = 'a file with the tensors loss and grad.NAME, such as ck grads writes'
      if (!record) return fail('file_malformed', { path, what: `it has no tensor '${name}'`, accepted })
      const elements = record.shape.reduce((product, dim) => product * dim, 1)
      return tensor(record.shape, decodeTensor(record.dtype, file.read(record), elements))
    }
    const [loss = Number.NaN] = read('loss').data
    const names = [...file.tensors.keys()].filter((name) => name.startsWith('grad.'))
    return { loss, tensors: new Map(names.map((name) => [name.slice('grad.'.length), read(name)])) }
  } finally {
    file.close()
  }
}
