/** The C functions that work on the sequences of a context, called through koffi. What they mean is written in ck.h. */
import koffi, { type TypeObject } from 'koffi'
import { type Answer, answer, answerLater, type Native, nothing, type Pointer } from './native.ts'

/** `ck_mode`: ids in blocks, or one at a time. Both give the same bits. */
export type EvalMode = 'prefill' | 'decode'

/** `ck_batch`: tokens in their order, each appended to its sequence. */
export interface Batch {
  readonly ids: Int32Array
  /** Of each token; one number: all are of this sequence. */
  readonly sequences: Int32Array | number
  /** Which tokens have a logits row, ascending; one number: so many last ones. */
  readonly outputs: BigInt64Array | number
}

/** The sequence functions of ck.h with JavaScript's types. */
export interface SequenceLibrary {
  /** `logits` [rows, vocabulary] is written until the promise settles; null where there are no rows. */
  contextEval(context: Pointer, mode: EvalMode, batch: Batch, logits: Float32Array | null): Promise<Answer<void>>
  /** -1: there is no such sequence. */
  position(context: Pointer, sequence: number): number
  rewind(context: Pointer, sequence: number, position: number): Answer<void>
  checkpoint(context: Pointer, sequence: number): Answer<void>
  /** The last position up to `position` to which `rewind` can go. */
  restorable(context: Pointer, sequence: number, position: number): number
  /** Gives how many tokens were kept. */
  match(context: Pointer, sequence: number, ids: Int32Array): Answer<number>
  copy(context: Pointer, from: number, to: number, tokens: number): Answer<void>
  save(context: Pointer, sequence: number, path: string): Promise<Answer<void>>
  load(context: Pointer, sequence: number, path: string): Promise<Answer<void>>
}

const batchType = koffi.struct({
  ids: 'const int32_t *',
  sequences: 'const int32_t *',
  sequence: 'int32_t',
  count: 'int64_t',
  outputs: 'const int64_t *',
  rows: 'int64_t',
})

/** Binds the functions; `native` finds one by its name. */
export function bindSequences(
  native: (name: string, result: string, parameters: (string | TypeObject)[]) => Native,
): SequenceLibrary {
  const any = 'void *'
  const evalBatch = native('ck_context_eval_batch', 'int', [any, 'int', koffi.pointer(batchType), any, any])
  const position = native('ck_sequence_position', 'int64_t', [any, 'int32_t'])
  const rewind = native('ck_sequence_rewind', 'int', [any, 'int32_t', 'int64_t', any])
  const checkpoint = native('ck_sequence_checkpoint', 'int', [any, 'int32_t', any])
  const restorable = native('ck_sequence_restorable', 'int64_t', [any, 'int32_t', 'int64_t'])
  const match = native('ck_sequence_match', 'int', [any, 'int32_t', any, 'int64_t', any, any])
  const copy = native('ck_sequence_copy', 'int', [any, 'int32_t', 'int32_t', 'int64_t', any])
  const save = native('ck_sequence_save', 'int', [any, 'int32_t', 'str', any])
  const load = native('ck_sequence_load', 'int', [any, 'int32_t', 'str', any])
  return {
    contextEval(context, mode, batch, logits) {
      return answerLater(evalBatch, [context, mode === 'decode' ? 1 : 0, nativeBatch(batch), logits], nothing)
    },
    position: (context, sequence) => Number(position(context, sequence)),
    rewind: (context, sequence, to) => answer(rewind, [context, sequence, to], nothing),
    checkpoint: (context, sequence) => answer(checkpoint, [context, sequence], nothing),
    restorable: (context, sequence, position) => Number(restorable(context, sequence, position)),
    match(context, sequence, ids) {
      const kept = new BigInt64Array(1)
      return answer(match, [context, sequence, ids, ids.length, kept], () => Number(kept[0]))
    },
    copy: (context, from, to, tokens) => answer(copy, [context, from, to, tokens], nothing),
    save: (context, sequence, path) => answerLater(save, [context, sequence, path], nothing),
    load: (context, sequence, path) => answerLater(load, [context, sequence, path], nothing),
  }
}

function nativeBatch({ ids, sequences, outputs }: Batch): object {
  return {
    ids,
    sequences: typeof sequences === 'number' ? null : sequences,
    sequence: typeof sequences === 'number' ? sequences : 0,
    count: ids.length,
    outputs: typeof outputs === 'number' ? null : outputs,
    rows: typeof outputs === 'number' ? outputs : outputs.length,
  }
}
