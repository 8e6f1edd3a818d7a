import type { Lowering, Operand } from '../ir/op.ts'
import type { AttentionAttributes } from './attentionRows.ts'
import { batchOf } from './batchRows.ts'
import { axis } from './shapes.ts'

/** Parts that find a room of the scratch, where there are as many items, and elements that the rooms should not exceed. */
const [mostRooms, mostElements] = [32, 1 << 24]

/** Elements of scratch for a call of `items` items whose parts need `each`. */
export function attentionScratch(each: number, items: number): number {
  return each * Math.max(1, Math.min(items, mostRooms, Math.max(4, Math.floor(mostElements / each))))
}

interface AttentionOperands {
  readonly q: Operand
  readonly k: Operand
  readonly v: Operand
  readonly starts: Operand | undefined
}

/**
 * What the kernels of attention without a cache take, but for their results and their scratch; `longest`: tokens of a row
 * of the batch, at most.
 */
export function attentionCall(
  { q, k, v, starts }: AttentionOperands,
  { scale, window = 0, softCap = 0, causal = true, length }: AttentionAttributes,
  to: Lowering,
) {
  const tokens = q.type.shape[0]!
  const longest = length || to.most(tokens)
  const batch = batchOf(q.type, length)
  const [heads, kvHeads, width] = [axis(q.type, 1), axis(k.type, 1), axis(q.type, 2)]
  const args = {
    ...{ tokens, batch, length: length || tokens, heads, kvHeads, width },
    ...{ qRow: to.stride(q), kRow: to.stride(k), vRow: to.stride(v) },
    ...{ window, causal: causal ? 1 : 0, scale, softCap },
    ...{ q, k, v, starts: starts ?? null },
  }
  return { batch, longest, heads, kvHeads, width, args }
}
