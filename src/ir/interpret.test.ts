import { describe, expect, it } from 'vitest'
import { ops } from '../ops/registry.ts'
import { interpret } from './interpret.ts'
import { parseGraph } from './parse.ts'
import { tensor } from './tensor.ts'

const x = tensor([1, 2], [3, 4])

describe('interpret', () => {
  it('runs nodes by their references and fused ones by what they decompose into', () => {
    const graph = parseGraph(`graph g
      input x f32[tokens, 2]
      weight g f32[2]
      sum: s f32[tokens, 2]; y: n f32[tokens, 2] = residualRmsNorm(x: x, delta: x, gain: g) {eps: 0}
      y: y f32[tokens, 2] = add(x: s, z: n)
      output y
      output s`)
    const seen: string[] = []
    const results = interpret(graph, ops, {
      given: (name) => (name === 'x' ? x : tensor([2], [1, 10])),
      visit: (name) => seen.push(name),
    })
    expect([...results.get('s')!.data]).toEqual([6, 8])
    const scale = 1 / Math.sqrt(50)
    expect(results.get('y')!.data[0]).toBeCloseTo(6 + 6 * scale, 14)
    expect(results.get('y')!.data[1]).toBeCloseTo(8 + 80 * scale, 14)
    expect(seen).toEqual(['s', 'n', 'y'])
  })

  it('asks once for what several nodes read, and gives an input that is an output', () => {
    const graph = parseGraph(`graph g
      input x f32[tokens, 2]
      y: a f32[tokens, 2] = silu(x: x)
      y: b f32[tokens, 2] = add(x: a, z: x)
      output x
      output b`)
    let asked = 0
    const results = interpret(graph, ops, {
      given: () => {
        asked++
        return x
      },
    })
    expect(asked).toBe(1)
    expect(results.get('x')).toBe(x)
  })

  it('does not change what it is given', () => {
    const graph = parseGraph(`graph g
      input x f32[tokens, 2]
      state c f32[1, 1, 2, 2]
      input p i32[tokens]
      y: h f32[tokens, 1, 2] = reshape(x: x) {heads: 1}
      next: n f32[1, 1, 2, 2] = cacheWrite(cache: c, x: h, positions: p, sequences: p) {part: "keys", format: "f32"}
      output n`)
    const cache = tensor([1, 1, 2, 2])
    const values: { [name: string]: typeof x } = { x, c: cache, p: tensor([1], [0]) }
    const results = interpret(graph, ops, { given: (name) => values[name]! })
    expect([...results.get('n')!.data]).toEqual([3, 4, 0, 0])
    expect([...cache.data]).toEqual([0, 0, 0, 0])
    expect([...x.data]).toEqual([3, 4])
  })

  it('refuses an unknown op', () => {
    const graph = parseGraph('graph g\ninput x f32[1]\ny: y f32[1] = what(x: x)\noutput y')
    expect(() => interpret(graph, ops, { given: () => x })).toThrow("y: op 'what' is unknown")
  })
})
