import { fail } from '../base/errors.ts'
import type { Dim, TensorType } from '../ir/graph.ts'
import { defineOp, type Lowering, type OpDefinition, type Operand } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { bestRoom, leastRoom, matmulKernel } from '../kernels/matmul/matmul.kernel.ts'
import { denseRow } from './shapes.ts'
import { sumRows } from './sumRows.ts'

/** Whether an operand is stored with its axes exchanged. */
export interface MatmulAttributes {
  readonly transposeA: boolean
  readonly transposeB: boolean
  readonly [name: string]: boolean
}

/** Parts whose panels find the room that they like best; more parts have smaller fields, which need less. */
const partsAtBest = 4

/** Formats of a and b in the samples. */
const formats = [
  ['f32', 'f32'],
  ['f32', 'f16'],
  ['f32', 'bf16'],
  ['bf16', 'f32'],
  ['bf16', 'bf16'],
] as const

/** Rows, columns and depth of op(a) · op(b). Only the first axis of a stored operand may be a symbol. */
export function matmulSizes(a: TensorType, b: TensorType, { transposeA, transposeB }: MatmulAttributes) {
  const [rows, depth] = transposeA ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!]
  const [cols, depthB] = transposeB ? [b.shape[0]!, b.shape[1]!] : [b.shape[1]!, b.shape[0]!]
  return { rows, cols, depth, depthB }
}

/** Rows and columns by which the fields of as many parts reach out of whole tiles and panels, at most. */
const ragged = partsAtBest * (12 + 32)

/** Elements of scratch for a product of these sizes; a symbol counts as many. */
export function matmulRoom(rows: Dim, cols: Dim, depth: Dim): number {
  const size = (dim: Dim) => (typeof dim === 'number' ? dim : 1 << 20)
  const used = (size(rows) + size(cols) + ragged) * (size(depth) + 1)
  return Math.max(leastRoom, Math.ceil(Math.min(used, partsAtBest * bestRoom) / 16) * 16)
}

/** Rows per column from which on a product is as fast if only its rows are divided among the parts. */
const tall = 8

/** Ranges of columns that the result may be divided into: one where that lets a part go on with its own rows. */
function bandsOf(rows: Dim, cols: Dim, { transposeA }: MatmulAttributes): Dim {
  const isTall = typeof rows === 'number' && typeof cols === 'number' && rows >= tall * cols
  return isTall && !transposeA ? 1 : cols
}

/** The kernel call of a product, with room of its own. */
export function callMatmul(
  to: Lowering,
  { a, b, sum, y }: { readonly a: Operand; readonly b: Operand; readonly sum: Operand | null; readonly y: Operand },
  attributes: MatmulAttributes,
): void {
  const { rows, cols, depth } = matmulSizes(a.type, b.type, attributes)
  const room = matmulRoom(rows, cols, depth)
  const form = `${attributes.transposeA ? 't' : 'n'}${attributes.transposeB ? 't' : 'n'}` as const
  const kernel =
    matmulKernel(form, a.type.dtype, b.type.dtype) ?? fail('graph_invalid', { where: y.name, what: noProduct(a, b) })
  to.call(kernel, {
    ...{ rows, cols, depth, bands: bandsOf(rows, cols, attributes), room },
    ...{ aRow: to.stride(a), bRow: to.stride(b) },
    ...{ sumRow: sum && !isRow(sum) ? to.stride(sum) : 0, yRow: to.stride(y) },
    ...{ a, b, sum, y, scratch: to.scratch('scratch', { dtype: 'f32', shape: [room] }) },
  })
}

/**
 * y = op(a) · op(b), or sum + op(a) · op(b): one chain of multiply-adds along depth, in order, that begins with sum. A sum
 * [cols] is added to every row.
 */
export const matmul: OpDefinition<'a' | 'b' | 'sum', 'y', MatmulAttributes> = defineOp({
  name: 'matmul',
  inputs: { a: ['f32', 'bf16'], b: ['f32', 'f16', 'bf16'], sum: ['f32'] },
  optional: ['sum'],
  outputs: ['y'],
  sums: { y: 'sum' },
  isDear: true,
  infer({ a, b, sum }, attributes: MatmulAttributes, refuse) {
    if (a.shape.length !== 2 || b.shape.length !== 2)
      refuse(`a and b need two axes, not ${a.shape.length} and ${b.shape.length}`)
    if (!matmulKernel('nn', a.dtype, b.dtype)) refuse(noProduct({ type: a }, { type: b }))
    const { rows, cols, depth, depthB } = matmulSizes(a, b, attributes)
    if (depth !== depthB) refuse(`op(a) has ${depth} columns and op(b) has ${depthB} rows; they must be equal`)
    if (typeof cols !== 'number') refuse(`op(b) has ${cols} columns; accepted: a number`)
    const y: TensorType = { dtype: 'f32', shape: [rows, cols] }
    if (sum && sum.shape.join() !== y.shape.join() && sum.shape.join() !== String(cols))
      refuse(`sum is [${sum.shape}]; accepted: [${y.shape}], or [${cols}] for every row`)
    return { y }
  },
  reference({ a, b, sum }, { transposeA, transposeB }) {
    const [aRows = 0, aCols = 0] = a.shape
    const [bRows = 0, bCols = 0] = b.shape
    const [rows, depth] = transposeA ? [aCols, aRows] : [aRows, aCols]
    const cols = transposeB ? bRows : bCols
    const y = tensor([rows, cols])
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < cols; j++) {
        let total = sum ? sum.data[sum.shape.length === 1 ? j : i * cols + j]! : 0
        for (let k = 0; k < depth; k++)
          total +=
            a.data[transposeA ? k * aCols + i : i * aCols + k]! * b.data[transposeB ? j * bCols + k : k * bCols + j]!
        y.data[i * cols + j] = total
      }
    }
    return { y }
  },
  // y = A · B with A = op(a), B = op(b): dA = dy · Bᵀ, dB = Aᵀ · dy, each transposed where its operand is stored so
  vjp({ a, b, sum }, _outputs, { y: dy }, { transposeA, transposeB }, g) {
    return {
      a: transposeA
        ? g.apply(matmul, 'a', { a: b, b: dy }, { transposeA: transposeB, transposeB: true })
        : g.apply(matmul, 'a', { a: dy, b }, { transposeA: false, transposeB: !transposeB }),
      b: transposeB
        ? g.apply(matmul, 'b', { a: dy, b: a }, { transposeA: true, transposeB: transposeA })
        : g.apply(matmul, 'b', { a, b: dy }, { transposeA: !transposeA, transposeB: false }),
      ...(sum ? { sum: isRow(sum) ? g.apply(sumRows, 'sum', { x: dy }, {}) : dy } : {}),
    }
  },
  lower({ a, b, sum }, { y }, attributes, to) {
    callMatmul(to, { a, b, sum: sum ?? null, y }, attributes)
  },
  tolerance: { relative: 64 },
  samples: (lanes) =>
    [false, true].flatMap((transposeA) =>
      [false, true].flatMap((transposeB) =>
        formats.flatMap(([ofA, ofB], which) =>
          [
            { rows: 2, cols: 1, depth: 3 },
            { rows: 13, cols: 2 * lanes + 1, depth: 37 },
            { rows: 5, cols: lanes - 1, depth: 700 },
            { rows: 20, cols: 2 * lanes, depth: 205 },
          ].map(({ rows, cols, depth }, i) => ({
            inputs: {
              a: { dtype: ofA, shape: transposeA ? [depth, rows] : [rows, depth] },
              b: { dtype: ofB, shape: transposeB ? [cols, depth] : [depth, cols] },
              ...sumOf((i + which) % 3, rows, cols),
            },
            attributes: { transposeA, transposeB },
          })),
        ),
      ),
    ),
  refusals: [
    {
      inputs: { a: denseRow(['tokens', 8]), b: denseRow([4, 9]) },
      attributes: { transposeA: false, transposeB: true },
      says: 'op(a) has 8 columns and op(b) has 9 rows',
    },
    {
      inputs: { a: { dtype: 'bf16', shape: ['tokens', 8] }, b: { dtype: 'f16', shape: [4, 8] } },
      attributes: { transposeA: false, transposeB: true },
      says: 'a is bf16 and b is f16',
    },
    {
      inputs: { a: denseRow(['tokens', 2, 4]), b: denseRow([4, 4]) },
      attributes: { transposeA: false, transposeB: false },
      says: 'need two axes',
    },
    {
      inputs: { a: denseRow(['tokens', 8]), b: denseRow(['tokens', 8]) },
      attributes: { transposeA: false, transposeB: true },
      says: 'op(b) has tokens columns; accepted: a number',
    },
    {
      inputs: { a: denseRow(['tokens', 8]), b: denseRow(['tokens', 4]), sum: denseRow([4, 8]) },
      attributes: { transposeA: true, transposeB: false },
      says: 'sum is [4,8]; accepted: [8,4], or [4] for every row',
    },
  ],
})

/** Whether this sum is one row for all rows. */
function isRow({ type }: Operand): boolean {
  return type.shape.length === 1
}

function noProduct(a: Pick<Operand, 'type'>, b: Pick<Operand, 'type'>): string {
  return `a is ${a.type.dtype} and b is ${b.type.dtype}; accepted: b in f32 or bf16, or a in f32`
}

/** No sum, a whole one or one for every row. */
function sumOf(kind: number, rows: number, cols: number) {
  return kind === 0 ? {} : { sum: { dtype: 'f32' as const, shape: kind === 1 ? [rows, cols] : [cols] } }
}
