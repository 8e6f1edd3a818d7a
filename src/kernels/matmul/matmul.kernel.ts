import type { Dtype, FloatDtype } from '../../base/dtypes.ts'
import { defineKernel, type KernelDeclaration } from '../kernel.ts'

/** Which operands are stored transposed: `n` as in the formula, `t` with its axes exchanged; first that of a, then of b. */
export type MatmulForm = 'nn' | 'nt' | 'tn' | 'tt'

/** What a kernel is called by the formats of its operands: an a in f32 goes without saying. */
type Formats = FloatDtype | 'bf16_f32' | 'bf16_bf16'

function matmul<F extends MatmulForm, N extends Formats>(form: F, formats: N) {
  const [a, b] = formatsOf(formats)
  return defineKernel({
    name: `matmul_fwd_${form}_${formats}`,
    family: 'matmul',
    dims: ['rows', 'cols', 'depth', 'bands', 'room', 'aRow', 'bRow', 'sumRow', 'yRow'],
    attributes: {},
    buffers: {
      a: {
        dtype: a,
        access: 'read',
        shape: form[0] === 'n' ? ['rows', 'depth'] : ['depth', 'rows'],
        rowStride: 'aRow',
      },
      b: {
        dtype: b,
        access: 'read',
        shape: form[1] === 'n' ? ['depth', 'cols'] : ['cols', 'depth'],
        rowStride: 'bRow',
      },
      sum: { dtype: 'f32', access: 'read', shape: ['rows', 'cols'], rowStride: 'sumRow', optional: true },
      y: { dtype: 'f32', access: 'write', shape: ['rows', 'cols'], rowStride: 'yRow' },
      scratch: { dtype: 'f32', access: 'write', shape: ['room'], scratch: 'pieces' },
    },
    inPlace: [['y', 'sum']],
    split: {
      items: ['rows', 'bands'],
      own: form[0] === 'n' ? ['a', 'sum', 'y'] : ['sum', 'y'],
      ownWhenOne: ['bands'],
    },
    flops: ({ rows, cols, depth }) => 2 * rows * cols * depth,
  })
}

/** Elements of scratch with which a part can work, whatever the instruction set. */
export const leastRoom = 1024

/** Elements of scratch for which one part copies op(b) once, up to some 1100 rows of op(a). */
export const bestRoom = 983_040

function formatsOf(formats: Formats): readonly [FloatDtype, FloatDtype] {
  switch (formats) {
    case 'bf16_f32':
      return ['bf16', 'f32']
    case 'bf16_bf16':
      return ['bf16', 'bf16']
    default:
      return ['f32', formats]
  }
}

/** The kernels of a form, by the format of a and then by that of b. */
function everyFormat<F extends MatmulForm>(form: F) {
  return {
    f32: { f32: matmul(form, 'f32'), f16: matmul(form, 'f16'), bf16: matmul(form, 'bf16') },
    bf16: { f32: matmul(form, 'bf16_f32'), bf16: matmul(form, 'bf16_bf16') },
  } as const
}

/**
 * y = sum + op(a) · op(b), or without sum. Every element of y is one chain: it begins with that of sum (or 0) and has one
 * multiply-add per step of depth, in order; f16 and bf16 of a and b are widened first. So a product over two halves of depth, the
 * second added to the first, has the bits of the whole.
 *
 * sumRow 0 adds one row, sum's first, to all rows.
 *
 * With one band the parts divide the rows among them, as kernels of rows do; with more they have fields of a grid over y, of
 * at most so many ranges of columns.
 *
 * The parts divide the scratch among them; its size has no effect on the bits. A part is at its best with `bestRoom`
 * elements, and does without where there are less than `leastRoom` of them for each.
 */
export const matmulForward = {
  nn: everyFormat('nn'),
  nt: everyFormat('nt'),
  tn: everyFormat('tn'),
  tt: everyFormat('tt'),
} as const satisfies Record<MatmulForm, unknown>

/** Any of them. */
export type MatmulKernel =
  (typeof matmulForward)['nn']['f32']['f32'] extends KernelDeclaration<infer D, infer A, infer B>
    ? KernelDeclaration<D, A, B>
    : never

/** The kernel of a form for an a and a b of these formats; undefined where there is none. */
export function matmulKernel(form: MatmulForm, a: Dtype, b: Dtype): MatmulKernel | undefined {
  const ofForm: { readonly [dtype: string]: { readonly [dtype: string]: MatmulKernel } } = matmulForward[form]
  return ofForm[a]?.[b]
}
