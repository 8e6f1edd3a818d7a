import type { Lowering, Operand } from '../ir/op.ts'
import {
  crossEntropyFusedGradient,
  crossEntropyMeanForward,
  crossEntropyRowsForward,
} from '../kernels/loss/loss.kernel.ts'
import { scaleForward, softCapForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { softCapGradient } from '../kernels/slopes/slopes.kernel.ts'
import { fillForward } from '../kernels/sums/sums.kernel.ts'
import { callMatmul } from './matmul.ts'
import { axis } from './shapes.ts'

/** What a head does to its product before the loss. */
export interface HeadAttributes {
  /** Of the logits; 1: none. */
  readonly factor: number
  /** What bends them after that; 0: nothing. */
  readonly softCap: number
  readonly [name: string]: number
}

export interface HeadOperands<T> {
  readonly x: T
  readonly w: T
  readonly targets: T
  readonly total: T
}

/** Bytes of logits that are there at once: enough that the gradient of the weights is not gone over too often. */
const mostBytes = 2 ** 27

/** Rows of a piece: at least two pieces where there are rows enough for a few register tiles in each. */
export function pieceRows(rows: number, vocabulary: number): number {
  const pieces = Math.max(rows >= 48 ? 2 : 1, Math.ceil((4 * rows * vocabulary) / mostBytes))
  return Math.min(rows, 24 * Math.ceil(rows / pieces / 24))
}

/** Elements from row to row of logits: an odd number of cache lines, so that one column of many rows fits a cache. */
function logitsStride(vocabulary: number): number {
  const lines = Math.ceil(vocabulary / 16)
  return 16 * (lines % 2 === 0 ? lines + 1 : lines)
}

interface HeadGradients {
  readonly dx: Operand
  readonly dw: Operand
  /** What dw begins with; null: 0. */
  readonly sum: Operand | null
}

/** The calls of a head and its loss, piece by piece of rows, and of its gradients where they are asked for. */
export function callHeadLoss(
  to: Lowering,
  { x, w, targets, total }: HeadOperands<Operand>,
  { loss, gradients }: { readonly loss: Operand; readonly gradients?: HeadGradients },
  { factor, softCap: cap }: HeadAttributes,
): void {
  const [rows, vocabulary] = [axis(x.type, 0), axis(w.type, 0)]
  const states = to.scratch('states', { dtype: 'f32', shape: [rows, 3] })
  const one = to.scratch('one', { dtype: 'f32', shape: [1, 1] })
  if (gradients) to.call(fillForward, { rows: 1, cols: 1, value: 1, y: one })
  const most = pieceRows(rows, vocabulary)
  const stride = logitsStride(vocabulary)
  // Every piece lies in the bytes of the one before it.
  const rooms = {
    logits: to.scratch('logits', { dtype: 'f32', shape: [most, stride] }),
    dlogits: to.scratch('dlogits', { dtype: 'f32', shape: [most, stride] }),
  }
  const pieceOf = (room: keyof typeof rooms, count: number) => {
    const piece = to.scratch(`${room}.piece`, { dtype: 'f32', shape: [count, vocabulary] })
    to.view(piece, to.rows(rooms[room], 0, count))
    return piece
  }
  for (let from = 0; from < rows; from += most) {
    const some = Math.min(most, rows - from)
    const piece = (whole: Operand) => to.rows(whole, from, some)
    const of = { x: piece(x), targets: piece(targets), states: piece(states) }
    const logits = pieceOf('logits', some)
    const sizes = { rows: some, cols: vocabulary }
    const inPlace = { ...sizes, xRow: stride, yRow: stride }
    callMatmul(to, { a: of.x, b: w, sum: null, y: logits }, { transposeA: false, transposeB: true })
    if (factor !== 1) to.call(scaleForward, { ...inPlace, factor, x: logits, y: logits })
    if (cap !== 0) to.call(softCapForward, { ...inPlace, cap, x: logits, y: logits })
    const rowsOf = { ...sizes, logitsRow: stride, logits, states: of.states, targets: of.targets }
    if (!gradients) {
      to.call(crossEntropyRowsForward, rowsOf)
      continue
    }
    const { dx, dw, sum } = gradients
    // What was bent is read again by the gradient of the bend: the gradient has memory of its own.
    const dlogits = cap === 0 ? logits : pieceOf('dlogits', some)
    to.call(crossEntropyFusedGradient, { ...rowsOf, dlogitsRow: stride, total, dloss: one, dlogits })
    if (cap !== 0) {
      const strides = { valueRow: stride, dyRow: stride, dxRow: stride }
      to.call(softCapGradient, { ...sizes, ...strides, cap, value: logits, dy: dlogits, dx: dlogits })
    }
    if (factor !== 1) to.call(scaleForward, { ...inPlace, factor, x: dlogits, y: dlogits })
    callMatmul(to, { a: dlogits, b: w, sum: null, y: piece(dx) }, { transposeA: false, transposeB: false })
    callMatmul(to, { a: dlogits, b: of.x, sum: from === 0 ? sum : dw, y: dw }, { transposeA: true, transposeB: false })
  }
  to.call(crossEntropyMeanForward, { rows, states, targets, total, loss })
}
