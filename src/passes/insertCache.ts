import type { Graph } from '../ir/graph.ts'
import { nodeName } from '../ir/graph.ts'
import type { Operand } from '../ir/op.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { cachedAttention } from '../ops/cachedAttention.ts'
import { type CacheDtype, cacheWrite } from '../ops/cacheWrite.ts'
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
 * stands at positions[t] of sequence sequences[t].
 */
export function insertCache(graph: Graph, { context, sequences: count, dtype }: CacheOptions): Graph {
  if (!graph.nodes.some((node) => node.op === 'attention')) return graph
  let sequences: Operand | undefined
  return rewriteGraph(graph, ops, (node, rewriter) => {
    if (node.op !== 'attention') return false
    const { builder } = rewriter
    sequences ??= builder.input('sequences', { dtype: 'i32', shape: ['tokens'] })
    const positions = rewriter.value('positions')
    const [q, k, v] = [rewriter.value(node.inputs.q!), rewriter.value(node.inputs.k!), rewriter.value(node.inputs.v!)]
    const caches = { positions, sequences }
    const name = nodeName(node)
    const shape = [count, axis(k.type, 1), context, axis(k.type, 2)]
    const write = (part: 'keys' | 'values', x: Operand) => {
      const cache = builder.state(`${name}_${part}_cache`, { dtype, shape })
      const half = dtype === 'f16'
      return builder.apply(cacheWrite, `${name}_${part}`, { cache, x, ...caches }, { part, half })
    }
    const keys = write('keys', k)
    const values = write('values', v)
    const scale = Number(node.attributes.scale)
    rewriter.define(name, builder.apply(cachedAttention, name, { q, keys, values, ...caches }, { scale }))
    return true
  })
}
