import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../tests/conformance/random.ts'
import { dtypeNames } from '../base/dtypes.ts'
import { CkError } from '../base/errors.ts'
import { parseGraph } from './parse.ts'
import { printGraph } from './print.ts'

const text = `graph two words
input ids i32[tokens]
input scalar f32[]
weight embd q8_0[7, 64]
weight blk.0.qk f16[6, 64] = blk.0.q + blk.0.k
state cache f16[1, 2, 64, 8]
y: x f32[tokens, 64] = embedding(ids: ids, table: embd)
y: turned f32[tokens, 8, 8] = rope(x: x) {style: "split \\", {x}, y: (z)", on: true, off: false}
sum: s f32[tokens, 64]; y: n f32[tokens, 64] = residualRmsNorm(x: x, delta: x, gain: g) {eps: 0.00001, tiny: 1e-300}
none: v f32[] = nothing() of x
y: w f32[] = f(x: v) {says: "{a} of b"} of blk.0.n
output n
output s
`

describe('the text form of a graph', () => {
  it('with any character changed is read or refused, and what is read prints and reads the same', () => {
    const random = seededRandom(5)
    const alphabet = [...'abf1[]{}(),:; =+"\\-\n.', '', 'toString', '__proto__']
    for (let i = 0; i < 4000; i++) {
      const at = random.whole(text.length)
      const broken = text.slice(0, at) + alphabet[random.whole(alphabet.length)]! + text.slice(at + random.whole(3))
      try {
        const graph = parseGraph(broken)
        expect(parseGraph(printGraph(graph))).toEqual(graph)
      } catch (error) {
        expect(error, broken).toBeInstanceOf(CkError)
      }
    }
  })

  it('is printed as it was read', () => {
    expect(printGraph(parseGraph(text))).toBe(text)
  })

  it('keeps numbers bit for bit', () => {
    for (const eps of [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0001, 1 / Math.sqrt(24)]) {
      const graph = parseGraph(`graph g\ny: y f32[2, 2] = f(x: y) {eps: ${eps}}`)
      expect(parseGraph(printGraph(graph)).nodes[0]!.attributes).toEqual({ eps })
    }
  })

  it('may be indented and have empty lines', () => {
    const loose = text.replaceAll('\n', '\n\n      ')
    expect(parseGraph(loose)).toEqual(parseGraph(text))
  })

  it.each([
    ['input x f32[4]', "line 1: a graph begins with 'graph <name>'"],
    ['graph g\ninput x f32', "line 2: 'x f32' is not 'name dtype[dims]'"],
    ['graph g\ninput x f99[4]', `line 2: dtype 'f99' is unknown; accepted: ${dtypeNames.join(', ')}`],
    ['graph g\n\nnonsense', "line 3: 'nonsense' is neither a declaration nor"],
    ['graph g\ny: y = silu(x: x)', "line 2: 'y' is not 'name dtype[dims]'"],
    ['graph g\ny f32[2] = silu(x: x)', "line 2: 'y f32[2]' is not 'slot: name dtype[dims]'"],
    ['graph g\ny: y f32[2] = silu(x)', "line 2: 'x' is not 'slot: name'"],
    ['graph g\ny: y f32[2] = silu(x: x) {eps}', "line 2: 'eps' is not 'key: value'"],
    ['graph g\ny: y f32[2] = silu(x: x) {eps: yes}', "line 2: attribute value 'yes' is no number, boolean or string"],
    ['graph g\ny: y f32[2] = silu(x: x) {eps: "open}', 'line 2: attribute value'],
    ['graph g\ny: y f32[2] = silu(x: a, x: b)', "line 2: 'x' is given twice"],
    ['graph g\ny: y f32[2] = silu(x: x) {a: 1, a: 2}', "line 2: 'a' is given twice"],
    ['graph g\ny: y f32[2] = silu(x: x)\ny: y f32[2] = silu(x: x)', "line 3: 'y' is defined twice"],
    ['graph g\ngraph h', "line 2: 'graph' is given twice"],
    ['graph g\ninput x f32[-1]', "line 2: '-1' is no size"],
    ['graph g\ninput x f32[a b]', "line 2: 'a b' is no size"],
    ['graph g\ninput x f32[4,4]', "line 2: '4,4' is no size"],
    ['graph g\ninput x f32[99999999999999999999]', "line 2: '99999999999999999999' is no size"],
  ])('%j is refused', (wrong, says) => {
    expect(() => parseGraph(wrong)).toThrow(says)
  })
})
