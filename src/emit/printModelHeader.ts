import { identifier } from './identifier.ts'
import type { ModelSource } from './modelSource.ts'

/** The text of model.h: what a caller of the model's own functions has to know, and where its inputs lie. */
export function printModelHeader(source: ModelSource): string {
  const first = source.programs[0]!
  const buffers = source.plan.buffers[first.mode]!.filter(({ region }) => region === 'input' || region === 'output')
  const offsets = buffers.map((buffer) => {
    const name = `MODEL_${identifier(buffer.name).toUpperCase()}`
    return `#define ${name} ${buffer.offset}u /* ${buffer.dtype} [${buffer.shape.join(', ')}] */`
  })
  const limits = [
    ['MODEL_VOCABULARY', source.vocabulary],
    ['MODEL_CONTEXT', source.context],
    ['MODEL_PREFILL_TOKENS', first.bounds.tokens],
    ['MODEL_DECODE_TOKENS', source.programs.at(-1)!.bounds.tokens],
    ['MODEL_OUTPUT_ROWS', source.outputRows],
  ].map(([name, value]) => `#define ${name} ${value}`)
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
