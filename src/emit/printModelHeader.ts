import { defineLines, identifier } from './identifier.ts'
import type { ModelSource } from './modelSource.ts'

/** The text of model.h: what a caller of the model's own functions has to know, and where its inputs lie. */
export function printModelHeader(source: ModelSource): string {
  const first = source.programs[0]!
  const buffers = source.plan.buffers[first.mode]!.filter(({ region }) => region === 'input' || region === 'output')
  const offsets = defineLines(
    buffers.map(({ name, offset, dtype, shape }) => [
      `MODEL_${identifier(name).toUpperCase()}`,
      `${offset}u`,
      `${dtype} [${shape.join(', ')}]`,
    ]),
  )
  const limits = defineLines([
    ['MODEL_VOCABULARY', String(source.vocabulary)],
    ['MODEL_CONTEXT', String(source.context)],
    ['MODEL_PREFILL_TOKENS', String(first.bounds.tokens)],
    ['MODEL_DECODE_TOKENS', String(source.programs.at(-1)!.bounds.tokens)],
    ['MODEL_OUTPUT_ROWS', String(source.outputRows)],
  ])
  return `/* model.h: sizes of this model, and where its inputs and outputs lie. The interface to call is ck.h. */
#ifndef MODEL_H
#define MODEL_H

#include "ck.h"
#include "program.h"

${limits.join('\n')}

/* Bytes from the start of the context's memory. */
${offsets.join('\n')}

#endif
`
}
