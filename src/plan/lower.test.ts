import { describe, expect, it } from 'vitest'
import { graphOf } from '../../tests/passes/rewrite.ts'
import { ops } from '../ops/registry.ts'
import { type LowerOptions, lower } from './lower.ts'
import type { Call, Program } from './program.ts'

const options: LowerOptions = { mode: 'prefill', bounds: { tokens: 8, outputs: 8 }, lanes: 4 }
const lowerText = (text: string, more: Partial<LowerOptions> = {}) => lower(graphOf(text), ops, { ...options, ...more })

/** `linear_fwd_f32 x:x w:w y:y+16` */
function callLines({ steps }: Program): string[] {
  return steps
    .filter((step) => step.kind === 'call')
    .map(({ kernel, buffers }: Call) => {
      const places = Object.entries(buffers).map(([name, place]) => {
        if (place === null) return `${name}:NULL`
        if (place.in === 'weights') return `${name}:${place.weight}`
        if (place.in === 'table') return `${name}:column ${place.column}`
        return `${name}:${place.buffer}${place.offset > 0 ? `+${place.offset}` : ''}`
      })
      return `${kernel} ${places.join(' ')}`
    })
}

const buffersOf = (program: Program) => program.buffers.map(({ name, region, bytes }) => `${region} ${name} ${bytes}`)

describe('lower', () => {
  it('turns slices and heads into places in the product, with its row stride', () => {
    const program = lowerText(`
      input x f32[tokens, 8]
      weight w f32[12, 8]
      y: p f32[tokens, 12] = linear(x: x, w: w)
      y: a f32[tokens, 8] = slice(x: p) {from: 0, cols: 8}
      y: b f32[tokens, 4] = slice(x: p) {from: 8, cols: 4}
      y: h f32[tokens, 2, 2] = reshape(x: b) {heads: 2}
      weight g f32[2]
      y: n f32[tokens, 2, 2] = rmsNorm(x: h, gain: g) {eps: 0.1}
      y: s f32[tokens, 8] = silu(x: a)
      output n
      output s`)
    expect(callLines(program)).toEqual([
      'linear_fwd_f32 x:x w:w bias:NULL y:p',
      'rmsNorm_fwd_f32 x:p+32 gain:g y:n',
      'activate_fwd_f32 x:p y:s',
    ])
    const norm = program.steps[1] as Call
    expect(norm.dims).toEqual({ rows: 'tokens', groups: 2, cols: 2, xRow: 12, yRow: 4 })
    expect(program.values.find(({ value }) => value === 'h')).toEqual({
      value: 'h',
      buffer: 'p',
      column: 8,
      columns: 4,
      rowStride: 12,
    })
    expect(buffersOf(program)).toEqual(['input x 256', 'activation p 384', 'output n 128', 'output s 256'])
  })

  const chain = (between: string, tail: string) => `
    input i f32[tokens, 4]
    y: x f32[tokens, 4] = softmax(x: i)
    y: z f32[tokens, 4] = softmax(x: i)
    ${between}
    y: y f32[tokens, 4] = add(x: x, z: z)
    ${tail}
    y: end f32[tokens, 4] = softmax(x: y)
    output end`
  const addOf = (text: string, more?: Partial<LowerOptions>) =>
    callLines(lowerText(text, more)).find((line) => line.startsWith('add'))

  it('works in place on the first operand that is read for the last time', () => {
    expect(addOf(chain('', ''))).toBe('add_fwd_f32 x:x z:z y:x')
    const xLater = chain('', 'y: more f32[tokens, 4] = silu(x: x)\noutput more')
    expect(addOf(xLater)).toBe('add_fwd_f32 x:x z:z y:z')
  })

  it.each([
    [
      'both operands are read later',
      chain('', 'y: a f32[tokens, 4] = silu(x: x)\ny: b f32[tokens, 4] = silu(x: z)\noutput a\noutput b'),
    ],
    [
      'views of them are read later',
      chain(
        'y: vx f32[tokens, 2, 2] = reshape(x: x) {heads: 2}\ny: vz f32[tokens, 2] = slice(x: z) {from: 1, cols: 2}',
        'y: a f32[tokens, 2, 2] = silu(x: vx)\ny: b f32[tokens, 2] = silu(x: vz)\noutput a\noutput b',
      ),
    ],
    [
      'views of them are made later',
      chain(
        '',
        'y: vx f32[tokens, 2, 2] = reshape(x: x) {heads: 2}\ny: a f32[tokens, 2, 2] = silu(x: vx)\ny: b f32[tokens, 4] = silu(x: z)\noutput a\noutput b',
      ),
    ],
    ['they are outputs of the graph', `${chain('', '')}\noutput x\noutput z`],
    ['both are the same value', chain('', '').replace('add(x: x, z: z)', 'add(x: x, z: x)')],
    [
      'both are views of the same value',
      chain('y: vx f32[tokens, 4] = reshape(x: x) {heads: 0}', '').replace('add(x: x, z: z)', 'add(x: x, z: vx)'),
    ],
    ['both are inputs', chain('', '').replace('add(x: x, z: z)', 'add(x: i, z: i)')],
  ])('takes bytes of its own where %s', (_why, text) => {
    expect(addOf(text)).toMatch(/ y:y$/)
  })

  it('takes bytes of its own for an output of the graph, and for every value of a trace', () => {
    expect(addOf(chain('', '').replace('output end', 'output end\noutput y'))).toMatch(/ y:y$/)
    expect(addOf(chain('', ''), { mode: 'trace' })).toMatch(/ y:y$/)
  })

  it('gives sum and norm the bytes of the two operands that end there', () => {
    const program = lowerText(`
      input i f32[tokens, 4]
      weight g f32[4]
      y: x f32[tokens, 4] = softmax(x: i)
      y: d f32[tokens, 4] = silu(x: i)
      sum: s f32[tokens, 4]; y: n f32[tokens, 4] = residualRmsNorm(x: x, delta: d, gain: g) {eps: 0.1}
      y: end f32[tokens, 4] = add(x: s, z: n)
      output end`)
    expect(callLines(program)[2]).toBe('residualRmsNorm_fwd_f32 x:x delta:d gain:g sum:x y:d')
  })

  it('copies a slice for a kernel that reads dense rows', () => {
    const program = lowerText(`
      input x f32[tokens, 8]
      weight w f32[8, 8]
      weight g f32[4]
      y: p f32[tokens, 8] = linear(x: x, w: w)
      y: a f32[tokens, 4] = slice(x: p) {from: 4, cols: 4}
      sum: s f32[tokens, 4]; y: n f32[tokens, 4] = residualRmsNorm(x: a, delta: a, gain: g) {eps: 0.1}
      y: end f32[tokens, 4] = add(x: s, z: n)
      output end`)
    expect(callLines(program).slice(1, 4)).toEqual([
      'copy_fwd_f32 x:p+16 y:a.dense',
      'copy_fwd_f32 x:p+16 y:a.dense2',
      'residualRmsNorm_fwd_f32 x:a.dense delta:a.dense2 gain:g sum:a.dense y:a.dense2',
    ])
  })

  it('advances a cache in its own bytes', () => {
    const program = lowerText(
      `
      input x f32[tokens, 2, 4]
      input positions i32[tokens]
      state c f16[1, 2, 64, 4]
      next: c1 f16[1, 2, 64, 4] = cacheWrite(cache: c, x: x, positions: positions, sequences: positions) {part: "keys", format: "f16"}
      y: y f32[tokens, 2, 4] = cachedAttention(q: x, keys: c1, values: c1, positions: positions, sequences: positions) {scale: 1}
      output y`
        .replace('values: c1', 'values: d')
        .replace('state c ', 'state d f16[1, 2, 64, 4]\nstate c '),
    )
    expect(callLines(program)).toEqual([
      'cacheKeys_fwd_f16 x:x positions:positions sequences:positions cache:c',
      'attention_fwd_f16 q:x keys:c values:d positions:positions sequences:positions y:y',
    ])
    expect(buffersOf(program)).toContain('state c 1024')
  })

  it('lets a product go on in the bytes of the state that it begins with', () => {
    const program = lowerText(`
      input a f32[3, 4]
      input b f32[3, 2]
      state s f32[4, 2]
      y: t f32[4, 2] in its sum = matmul(a: a, b: b, sum: s) {transposeA: true, transposeB: false}
      y: u f32[4, 2] in its sum = matmul(a: a, b: b, sum: t) {transposeA: true, transposeB: false}`)
    expect(callLines(program)).toEqual([
      'matmul_fwd_tn_f32 a:a b:b sum:s y:s scratch:t.scratch',
      'matmul_fwd_tn_f32 a:a b:b sum:s y:s scratch:u.scratch',
    ])
  })

  it('packs gate and up as pairs, and a matrix that two products share once', () => {
    const program = lowerText(`
      input x f32[tokens, 8]
      weight a f32[5, 8]
      weight b f32[5, 8]
      y: p f32[tokens, 5] = linearGlu(x: x, gate: a, up: b) {activation: "silu"}
      y: q f32[tokens, 5] = linear(x: x, w: a)
      y: r f32[tokens, 5] = linear(x: x, w: a)
      output p
      output q
      output r`)
    // 5 rows are two panels of 4 lanes.
    expect(program.weights.map(({ name, layout, bytes }) => `${name} ${layout} ${bytes}`)).toEqual([
      'a | b panelPairs 512',
      'a panels 256',
    ])
  })

  it.each([
    [
      'a slice as an output of the graph',
      'input x f32[tokens, 8]\ny: s f32[tokens, 8] = silu(x: x)\ny: a f32[tokens, 4] = slice(x: s) {from: 0, cols: 4}\noutput a',
      'a: is an output of the graph but a part or a version of other bytes',
    ],
    ['an input as an output of the graph', 'input x f32[tokens, 8]\noutput x', 'x: is an output of the graph but'],
    [
      'a symbol without a bound',
      'input x f32[pages, 8]\ny: y f32[pages, 8] = silu(x: x)\noutput y',
      "symbol 'pages' has no bound",
    ],
    [
      'a block-quantised product of f32',
      'input x f32[tokens, 32]\nweight w q8_0[4, 32]\ny: y f32[tokens, 4] = linear(x: x, w: w)\noutput y',
      "linear_fwd_q8_0 takes 'x' as a8, and 'x' is f32",
    ],
    [
      'a quantised value for an f32 matrix',
      'input i f32[tokens, 32]\nweight w f32[4, 32]\ny: x a8[tokens, 32] = quantize(x: i)\ny: y f32[tokens, 4] = linear(x: x, w: w)\noutput y',
      "linear_fwd_f32 takes 'x' as f32, and 'x' is a8",
    ],
    [
      'a matrix that is no weight',
      'input x f32[tokens, 8]\ninput w f32[4, 8]\ny: y f32[tokens, 4] = linear(x: x, w: w)\noutput y',
      "linear_fwd_f32 takes 'w' as panels",
    ],
  ])('refuses %s', (_what, text, says) => {
    expect(() => lowerText(text)).toThrow(says)
  })
})
