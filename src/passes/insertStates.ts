import type { Graph } from '../ir/graph.ts'
import { nodeName } from '../ir/graph.ts'
import type { Operand } from '../ir/op.ts'
import { type Rewriter, rewriteGraph } from '../ir/rewrite.ts'
import { carriedConvolution } from '../ops/carriedConvolution.ts'
import { carriedDeltaRule } from '../ops/carriedDeltaRule.ts'
import type { ConvolutionActivation } from '../ops/convolve.ts'
import type { HeadOrder } from '../ops/delta.ts'
import { refuseLowering } from '../ops/missingKernel.ts'
import { ops } from '../ops/registry.ts'
import { axis } from '../ops/shapes.ts'
import type { CacheOptions } from './insertCache.ts'

/**
 * Gives every causal convolution and every delta rule a state per sequence, so that a step holds only new tokens: token t
 * stands at positions[t] of sequence sequences[t]. The states are whole: each token changes all of them.
 */
export function insertStates(graph: Graph, { sequences: count }: Pick<CacheOptions, 'sequences'>): Graph {
  if (!graph.nodes.some(({ op }) => op === 'causalConvolution' || op === 'deltaRule')) return graph
  let given: Operand | undefined
  const tokensOf = (to: Rewriter) => {
    given ??= graph.inputs.some(({ name }) => name === 'sequences')
      ? to.value('sequences')
      : to.builder.input('sequences', { dtype: 'i32', shape: ['tokens'] })
    return { positions: to.value('positions'), sequences: given }
  }
  return rewriteGraph(graph, ops, (node, to) => {
    if (node.op !== 'causalConvolution' && node.op !== 'deltaRule') return false
    const name = nodeName(node)
    if (node.inputs.starts !== undefined)
      refuseLowering(to.value(node.inputs.starts), 'a state of sequences that lie one behind the other in a step')
    const inputs = () => Object.fromEntries(Object.entries(node.inputs).map(([slot, value]) => [slot, to.value(value)]))
    const names = { y: name, next: `${name}_carried` }
    if (node.op === 'causalConvolution') {
      const { x, w } = inputs() as { x: Operand; w: Operand }
      const shape = [count, axis(w.type, 1) - 1, axis(x.type, 1)]
      const state = to.builder.state(`${name}_state`, { dtype: 'f32', shape })
      const attributes = { activation: String(node.attributes.activation) as ConvolutionActivation }
      const operands = { state, x, w, ...tokensOf(to) }
      to.define(name, to.builder.apply(carriedConvolution, name, operands, attributes, names).y)
      return true
    }
    const read = inputs() as { q: Operand; k: Operand; v: Operand; decay: Operand; beta: Operand }
    const shape = [count, axis(read.v.type, 1), axis(read.k.type, 2), axis(read.v.type, 2)]
    const state = to.builder.state(`${name}_state`, { dtype: 'f32', shape })
    const attributes = { scale: Number(node.attributes.scale), order: String(node.attributes.order) as HeadOrder }
    const operands = { state, ...read, ...tokensOf(to) }
    to.define(name, to.builder.apply(carriedDeltaRule, name, operands, attributes, names).y)
    return true
  })
}
