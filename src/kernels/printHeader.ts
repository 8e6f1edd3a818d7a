import { type Dtype, dtypes, isBlockDtype, isFloatDtype } from '../base/dtypes.ts'
import { type BufferParameter, itemName, type Kernel } from './kernel.ts'
import { type Family, kernelsOf } from './registry.ts'

/**
 * The C header of a family, printed from its declarations: an include guard and one prototype per kernel, and where kernels
 * differ by their dtype a list of these, by which the C file defines them. Of those kernels it has the dtypes that a kernel
 * in `called` has. Equal input gives equal text. The family's C file includes it as "<family>.h", so that a drift of the two
 * does not compile.
 */
export function printHeader(family: Family, called: readonly Kernel[] = kernelsOf(family)): string {
  const all = kernelsOf(family)
  const isCalled = new Set(called.map(({ dtype }) => dtype))
  const printed = all.filter(({ dtype }) => dtype === undefined || isCalled.has(dtype))
  return all.some(({ dtype }) => dtype)
    ? printPrototypes(family, printed, printDtypes(family, printed))
    : printPrototypes(family, printed)
}

/** The header <name>.h of these kernels. `before`: lines in front of the prototypes. */
export function printPrototypes(name: string, kernels: readonly Kernel[], before: readonly string[] = []): string {
  const guard = `CK_${name.toUpperCase()}_H`
  return [
    `/* ${name}.h: printed from the kernel declarations of the family ${name}. */`,
    `#ifndef ${guard}`,
    `#define ${guard}`,
    '',
    '#include <stdint.h>',
    '',
    ...before,
    ...kernels.flatMap((kernel) => [...printPrototype(kernel), '']),
    '#endif',
    '',
  ].join('\n')
}

/** Macros that do something for each dtype of the kernels: one of those that are floats, one of those in blocks. */
function printDtypes(family: Family, kernels: readonly Kernel[]): readonly string[] {
  const all = new Set(kernels.flatMap(({ dtype }) => dtype ?? []))
  const printList = (name: string, dtypesOfList: readonly Dtype[]) => {
    const items = dtypesOfList.map((dtype) => `DO(${dtype}, ${dtypes[dtype].c}, CK_${dtype.toUpperCase()})`)
    return [`#define CK_${family.toUpperCase()}_${name}(DO)`, ...items].join(' \\\n    ')
  }
  return [
    '/* DO(dtype, C type of its elements, format) for each of its dtypes: floats, and those in blocks. */',
    printList('FLOATS', [...all].filter(isFloatDtype)),
    printList('BLOCKS', [...all].filter(isBlockDtype)),
    '',
  ]
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
