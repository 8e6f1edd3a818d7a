import { describe, expect, it } from 'vitest'
import { ops } from '../ops/registry.ts'
import type { Graph } from './graph.ts'
import { parseGraph } from './parse.ts'
import { verifyGraph } from './verify.ts'

const right = `graph g
input x f32[tokens, 4]
input positions i32[tokens]
input sequences i32[tokens]
weight g f32[4]
state cache f32[1, 2, 64, 2]
y: n f32[tokens, 4] = rmsNorm(x: x, gain: g) {eps: 0.1}
y: h f32[tokens, 2, 2] = reshape(x: n) {heads: 2}
next: c1 f32[1, 2, 64, 2] = cacheWrite(cache: cache, x: h, positions: positions, sequences: sequences) {part: "keys", format: "f32"}
y: y f32[tokens, 2, 2] = cachedAttention(q: h, keys: c1, values: c1, positions: positions, sequences: sequences) {scale: 1}
output y`

const verify = (text: string) => verifyGraph(parseGraph(text), ops)

describe('verifyGraph', () => {
  it('gives a sound graph back', () => {
    const graph = parseGraph(right)
    expect(verifyGraph(graph, ops)).toBe(graph)
  })

  it.each([
    ['an unknown op', right.replace('rmsNorm(', 'meanNorm('), "n: op 'meanNorm' is unknown"],
    ['an op that only objects have', right.replace('rmsNorm(', 'toString('), "n: op 'toString' is unknown"],
    ['a value before its definition', right.replace('x: n)', 'x: y)'), "h: reads 'y' before it is defined"],
    ['an unknown value', right.replace('gain: g', 'gain: q'), "n: reads 'q' before it is defined"],
    ['a name defined twice', `${right}\ninput x f32[tokens, 4]`, 'x: is defined twice'],
    ['a node named like an input', right.replace('y: n f32', 'y: x f32'), 'x: is defined twice'],
    [
      'a type that infer does not give',
      right.replace('n f32[tokens, 4]', 'n f32[tokens, 5]'),
      "'n' is f32[tokens, 5] but rmsNorm gives f32[tokens, 4]",
    ],
    [
      'a dtype that the op does not take',
      right.replace('weight g f32', 'weight g f16'),
      "n: rmsNorm: input 'gain' (g) is f16; accepted: f32",
    ],
    ['a missing input', right.replace(', gain: g', ''), "n: rmsNorm: input 'gain' is missing"],
    [
      'an input that the op does not have',
      right.replace('gain: g', 'gain: g, bias: g'),
      "n: rmsNorm: has no input 'bias'",
    ],
    [
      'an output that the op does not have',
      right.replace('y: n f32[tokens, 4]', 'y: n f32[tokens, 4]; z: m f32[tokens, 4]'),
      "n: rmsNorm has no output 'z'",
    ],
    ['an output under another slot', right.replace('y: n f32', 'z: n f32'), "n: rmsNorm has no output 'z'"],
    ['a refusal of the op', right.replace('heads: 2', 'heads: 3'), 'h: reshape: 4 columns do not divide into 3 heads'],
    [
      'a symbol after the first axis',
      right.replace('weight g f32[4]', 'weight g f32[4]\ninput s f32[4, tokens]'),
      's: shape [4, tokens] has a symbol after the first axis',
    ],
    [
      'a symbol in a weight',
      right.replace('weight g f32[4]', 'weight g f32[4]\nweight w f32[tokens, 4]'),
      'w: shape [tokens, 4] has a symbol; accepted: numbers',
    ],
    [
      'a symbol in a state',
      right.replace('state cache', 'state other f32[tokens, 4]\nstate cache'),
      'other: shape [tokens, 4] has a symbol; accepted: numbers',
    ],
    ['an output that is not defined', `${right}\noutput z`, 'z: is an output of the graph but is not defined'],
    ['an output that is given twice', `${right}\noutput y`, 'y: is an output of the graph twice'],
    [
      'a state that goes on from one version twice',
      right.replace(
        '\noutput',
        '\nnext: c2 f32[1, 2, 64, 2] = cacheWrite(cache: cache, x: h, positions: positions, sequences: sequences) {part: "keys", format: "f32"}\noutput',
      ),
      "c2: advances 'cache', which 'c1' has advanced already",
    ],
    [
      'a version of a state read after the next one exists',
      right.replace('keys: c1, values: c1', 'keys: cache, values: cache'),
      "y: reads 'cache', which 'c1' has advanced already",
    ],
  ])('refuses %s', (_what, text, says) => {
    expect(() => verify(text)).toThrow(says)
  })

  const summed = `graph g
input a f32[3, 4]
input b f32[3, 2]
state s f32[4, 2]
y: t f32[4, 2] in its sum = matmul(a: a, b: b, sum: s) {transposeA: true, transposeB: false}`

  it('takes a product that begins with a state and lies in its bytes', () => {
    expect(() => verify(summed)).not.toThrow()
  })

  it.each([
    ['that begins with nothing', summed.replace(', sum: s', ''), "t: 'y' advances nothing: matmul has no sum for it"],
    ['of another type', summed.replace('s f32[4, 2]', 's f32[2]'), "t: advances 's', which is f32[2], to another type"],
    ['in no state', summed.replace('state', 'input'), "t: advances 's', which is no state"],
    [
      'whose last version is read later',
      `${summed}\ny: u f32[4, 2] = scale(x: s) {factor: 2}`,
      "u: reads 's', which 't' has advanced already",
    ],
  ])('refuses a product in its sum %s', (_what, text, says) => {
    expect(() => verify(text)).toThrow(says)
  })

  it('refuses a node without one of its outputs', () => {
    const graph = parseGraph(right)
    const nodes = graph.nodes.map((node, at) => (at === 0 ? { ...node, outputs: {} } : node))
    expect(() => verifyGraph({ ...graph, nodes }, ops)).toThrow("rmsNorm: output 'y' has no name")
  })

  it('refuses a weight without a source', () => {
    const graph: Graph = {
      ...parseGraph(right),
      weights: [{ name: 'g', type: { dtype: 'f32', shape: [4] }, sources: [] }],
    }
    expect(() => verifyGraph(graph, ops)).toThrow('g: a weight needs a source')
  })
})
