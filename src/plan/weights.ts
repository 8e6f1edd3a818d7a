import { bytesOf, isWeightDtype, type WeightDtype } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import { elementsFrom, type Weight } from '../ir/graph.ts'
import type { Layout } from '../kernels/kernel.ts'
import { panelBytes } from '../kernels/layouts.ts'
import type { PackedWeight } from './program.ts'

/** The packed form of one weight, or of two that are packed in pairs. */
export function packedWeight(weights: readonly Weight[], layout: Layout, lanes: number): PackedWeight {
  const [first] = weights
  if (!first) return fail('program_invalid', { where: layout, what: 'packs no weight' })
  const { dtype, shape } = first.type
  if (!isWeightDtype(dtype)) return fail('program_invalid', { where: first.name, what: `${dtype} is no weight format` })
  const isVector = shape.length === 1
  const rows = isVector ? 1 : Number(shape[0])
  const cols = isVector ? Number(shape[0]) : elementsFrom(shape, 1)
  return {
    name: weights.map(({ name }) => name).join(' | '),
    dtype,
    layout,
    rows,
    cols,
    parts: weights.map(({ sources }) => sources),
    bytes: weights.length * layoutBytes(first.name, dtype, layout, rows, cols, lanes),
  }
}

function layoutBytes(
  name: string,
  dtype: WeightDtype,
  layout: Layout,
  rows: number,
  cols: number,
  lanes: number,
): number {
  switch (layout) {
    case 'rows':
      return (
        bytesOf(dtype, rows * cols) ?? fail('program_invalid', { where: name, what: `${cols} columns split a block` })
      )
    case 'panels':
    case 'panelPairs':
      return Math.ceil(rows / lanes) * panelBytes(dtype, lanes, cols)
    case 'keyPanels':
    case 'valuePanels':
      return fail('program_invalid', { where: name, what: `${layout} is a layout of caches, not of weights` })
    default:
      return layout satisfies never
  }
}
