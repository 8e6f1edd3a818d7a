import { describe, expect, it } from 'vitest'
import { ops } from '../ops/registry.ts'
import { parseGraph } from './parse.ts'
import { printGraph } from './print.ts'
import { rewriteGraph } from './rewrite.ts'

const text = `graph g
input x f32[tokens, 4]
weight used f32[4] = a + b
weight unused f32[4]
state cache f32[1, 2]
sum: s f32[tokens, 4]; y: n f32[tokens, 4] = residualRmsNorm(x: x, delta: x, gain: used) {eps: 0.1}
y: y f32[tokens, 4] = add(x: s, z: n)
output y
output s
`

describe('rewriteGraph', () => {
  it('without a change gives the same graph, less the weights that nothing reads', () => {
    const graph = parseGraph(text)
    expect(printGraph(rewriteGraph(graph, ops, () => false))).toBe(text.replace('weight unused f32[4]\n', ''))
  })

  it('puts another value in the place of a node for everything behind it', () => {
    const after = rewriteGraph(parseGraph(text), ops, (node, to) => {
      if (node.op !== 'residualRmsNorm') return false
      to.define('s', to.value('x'))
      to.define('n', to.value('x'))
      return true
    })
    expect(printGraph(after)).toBe(`graph g
input x f32[tokens, 4]
state cache f32[1, 2]
y: y f32[tokens, 4] = add(x: x, z: x)
output y
output x
`)
  })

  it('refuses where a dropped value is still read', () => {
    expect(() => rewriteGraph(parseGraph(text), ops, (node) => node.op === 'residualRmsNorm')).toThrow(
      's: is read before it is defined',
    )
  })
})
