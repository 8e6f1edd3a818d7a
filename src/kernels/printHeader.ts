import { dtypes } from '../base/dtypes.ts'
import { type BufferParameter, itemName, type Kernel } from './kernel.ts'
import { type Family, kernelsOf } from './registry.ts'

/**
 * The C header of a family, printed from its declarations: an include guard and one prototype per kernel. Equal input
 * gives equal text. The family's C file includes it as "<family>.h", so that a drift of the two does not compile.
 */
export function printHeader(family: Family): string {
  return printPrototypes(family, kernelsOf(family))
}

/** The header <name>.h of these kernels. */
export function printPrototypes(name: string, kernels: readonly Kernel[]): string {
  const guard = `CK_${name.toUpperCase()}_H`
  return [
    `/* ${name}.h: printed from the kernel declarations of the family ${name}. */`,
    `#ifndef ${guard}`,
    `#define ${guard}`,
    '',
    '#include <stdint.h>',
    '',
    ...kernels.flatMap((kernel) => [...printPrototype(kernel), '']),
    '#endif',
    '',
  ].join('\n')
}

function printPrototype(kernel: Kernel): readonly string[] {
  const buffers = Object.entries(kernel.buffers)
  const comments = [
    ...buffers.map(([name, buffer]) => `${name}: ${describeBuffer(buffer)}`),
    ...(kernel.inPlace.length ? [`in place: ${kernel.inPlace.map((pair) => pair.join(' = ')).join(', ')}`] : []),
    kernel.split.items.length ? `split over ${kernel.split.items.map(itemName).join(', ')}` : 'not split',
  ]
  const parameters = [
    ['int part', 'int parts'],
    kernel.dims.map((dim) => `int64_t ${dim}`),
    Object.entries(kernel.attributes).map(([name, type]) => `${type} ${name}`),
    ...buffers.map(([name, buffer]) => [cParameter(kernel, name, buffer)]),
  ].filter((group) => group.length > 0)
  const lines = parameters.map((group, at) => `    ${group.join(', ')}${at + 1 < parameters.length ? ',' : ');'}`)
  return [`/* ${comments.join('\n * ')} */`, `void ck_${kernel.name}(`, ...lines]
}

function describeBuffer(buffer: BufferParameter<string>): string {
  const stride = buffer.rowStride ? `, stride ${buffer.rowStride}` : ''
  const layout = buffer.layout && buffer.layout !== 'rows' ? `, ${buffer.layout}` : ''
  const optional = buffer.optional ? ', or NULL' : ''
  const access = buffer.scratch ? 'scratch' : buffer.access
  return `${access} ${buffer.dtype} [${buffer.shape.join(', ')}]${stride}${layout}${optional}`
}

/** Buffers that an in-place pair names may be the same bytes, so only the others are `restrict`. */
function cParameter(kernel: Kernel, name: string, buffer: BufferParameter<string>): string {
  const constant = buffer.access === 'read' ? 'const ' : ''
  const restrict = kernel.inPlace.flat().includes(name) ? '' : 'restrict '
  return `${constant}${dtypes[buffer.dtype].c} *${restrict}${name}`
}
