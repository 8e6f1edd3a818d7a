import { dtypes } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { Graph } from '../ir/graph.ts'
import { nodeName } from '../ir/graph.ts'
import type { Operand } from '../ir/op.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { cachedAttention } from '../ops/cachedAttention.ts'
import { type CacheDtype, cacheWrite } from '../ops/cacheWrite.ts'
import { refuseLowering } from '../ops/missingKernel.ts'
import { ops } from '../ops/registry.ts'
import { axis } from '../ops/shapes.ts'

export interface CacheOptions {
  /** Positions per sequence. */
  readonly context: number
  readonly sequences: number
  readonly dtype: CacheDtype
}

/**
 * Gives every attention a key and a value cache, so that a step holds only new tokens. Adds the input `sequences`; token t
 * stands at positions[t] of sequence sequences[t]. Attention that is not causal needs its keys and values within the step
 * only, so all such share one cache; the input `last` tells it where the sequence ends. Refuses `option_invalid` where heads are no whole blocks of the format.
 */
export function insertCache(graph: Graph, { context, sequences: count, dtype }: CacheOptions): Graph {
  if (!graph.nodes.some((node) => node.op === 'attention')) return graph
  let sequences: Operand | undefined
  let last: Operand | undefined
  const shared = new Map<string, Operand>()
  return rewriteGraph(graph, ops, (node, rewriter) => {
    if (node.op !== 'attention') return false
    const { builder } = rewriter
    if (node.inputs.starts !== undefined)
      refuseLowering(rewriter.value(node.inputs.starts), 'a cache of sequences that lie one behind the other in a step')
    sequences ??= builder.input('sequences', { dtype: 'i32', shape: ['tokens'] })
    const positions = rewriter.value('positions')
    const [q, k, v] = [rewriter.value(node.inputs.q!), rewriter.value(node.inputs.k!), rewriter.value(node.inputs.v!)]
    const caches = { positions, sequences }
    const isCausal = node.attributes.causal !== false
    if (!isCausal) last ??= builder.input('last', { dtype: 'i32', shape: ['tokens'] })
    const name = nodeName(node)
    checkWidth(axis(k.type, 2), dtype)
    const shape = [count, axis(k.type, 1), context, axis(k.type, 2)]
    const write = (part: 'keys' | 'values', x: Operand) => {
      const key = `${part} ${shape.join(' ')}`
      const cache = shared.get(key) ?? builder.state(`${name}_${part}_cache`, { dtype, shape })
      const written = builder.apply(cacheWrite, `${name}_${part}`, { cache, x, ...caches }, { part, format: dtype })
      if (!isCausal) shared.set(key, written)
      return written
    }
    const keys = write('keys', k)
    const values = write('values', v)
    const optional = (['window', 'softCap'] as const).flatMap((key) => {
      const value = node.attributes[key]
      return value === undefined ? [] : [[key, Number(value)] as const]
    })
    const attributes = { scale: Number(node.attributes.scale), ...Object.fromEntries(optional) }
    const ends = isCausal || !last ? positions : last
    rewriter.define(
      name,
      builder.apply(cachedAttention, name, { q, keys, values, positions: ends, sequences }, attributes),
    )
    return true
  })
}

function checkWidth(width: number, dtype: CacheDtype): void {
  const { blockElements } = dtypes[dtype]
  if (width % blockElements !== 0)
    fail('option_invalid', {
      option: '--cache',
      found: dtype,
      accepted: `f16 or f32, for heads of ${width} columns (${dtype} takes multiples of ${blockElements})`,
    })
}
