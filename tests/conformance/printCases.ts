import type { Family } from '../../src/kernels/registry.ts'
import { testedKernels } from './probe.kernel.ts'

/** cases.h of driver.c: the kernels of some families by their numbers among all, printed from the declarations. */
export function printCases(families: readonly Family[]): string {
  const included = new Set<string>([...families, 'probe'])
  const cases = testedKernels.flatMap((kernel, index) => {
    if (!included.has(kernel.family)) return []
    const attributes = Object.values(kernel.attributes)
    const values = [
      ...['part', 'parts'],
      ...kernel.dims.map((_, i) => `(int64_t)number[${i}]`),
      ...attributes.map((type, i) => `(${type})number[${kernel.dims.length + i}]`),
      ...Object.keys(kernel.buffers).map((_, i) => `buffer[${i}]`),
    ]
    return [`    case ${index}:\n        ck_${kernel.name}(${values.join(', ')});\n        return;`]
  })
  const counts = testedKernels.map(
    ({ dims, attributes, buffers }) =>
      `{${dims.length + Object.keys(attributes).length}, ${Object.keys(buffers).length}}`,
  )
  return `${[...included].map((family) => `#include "${family}.h"`).join('\n')}

/* Sizes and attributes together, and buffers, of each kernel of all families. */
static const int ck_counts[][2] = {${counts.join(', ')}};

static void ck_run_case(int kernel, int part, int parts, const double *number, void **buffer)
{
    switch (kernel) {
${cases.join('\n')}
    }
}
`
}
