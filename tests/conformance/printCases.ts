import { familyNames } from '../../src/kernels/registry.ts'
import { testedKernels } from './probe.kernel.ts'

/** cases.h of driver.c: the kernels by number, printed from the declarations. */
export function printCases(): string {
  const cases = testedKernels.map((kernel, index) => {
    const attributes = Object.values(kernel.attributes)
    const values = [
      ...['part', 'parts'],
      ...kernel.dims.map((_, i) => `(int64_t)number[${i}]`),
      ...attributes.map((type, i) => `(${type})number[${kernel.dims.length + i}]`),
      ...Object.keys(kernel.buffers).map((_, i) => `buffer[${i}]`),
    ]
    return `    case ${index}:\n        ck_${kernel.name}(${values.join(', ')});\n        return;`
  })
  const counts = testedKernels.map(
    ({ dims, attributes, buffers }) =>
      `{${dims.length + Object.keys(attributes).length}, ${Object.keys(buffers).length}}`,
  )
  return `${[...familyNames, 'probe'].map((family) => `#include "${family}.h"`).join('\n')}

/* Sizes and attributes together, and buffers, of each kernel. */
static const int ck_counts[][2] = {${counts.join(', ')}};

static void ck_run_case(int kernel, int part, int parts, const double *number, void **buffer)
{
    switch (kernel) {
${cases.join('\n')}
    }
}
`
}
