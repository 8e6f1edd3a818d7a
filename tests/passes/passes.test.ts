import { describe, expect, it } from 'vitest'
import type { Graph } from '../../src/ir/graph.ts'
import { chooseDtypes } from '../../src/passes/chooseDtypes.ts'
import { dropDead } from '../../src/passes/dropDead.ts'
import { fuseGlu } from '../../src/passes/fuseGlu.ts'
import { fuseLinearGlu } from '../../src/passes/fuseLinearGlu.ts'
import { fuseResidualNorm } from '../../src/passes/fuseResidualNorm.ts'
import { insertCache } from '../../src/passes/insertCache.ts'
import { mergeProducts } from '../../src/passes/mergeProducts.ts'
import { optimize } from '../../src/passes/optimize.ts'
import { quantizeActivations } from '../../src/passes/quantizeActivations.ts'
import { graphOf, lines, rewrite } from './rewrite.ts'

describe('dropDead', () => {
  it('drops nodes that no output needs, and the weights that only they read', () => {
    const text = `
      input x f32[tokens, 4]
      weight kept f32[4]
      weight lost f32[4]
      y: a f32[tokens, 4] = rmsNorm(x: x, gain: kept) {eps: 0.1}
      y: b f32[tokens, 4] = rmsNorm(x: x, gain: lost) {eps: 0.1}
      y: c f32[tokens, 4] = add(x: a, z: b)
      output a`
    expect(rewrite(dropDead, text)).toBe(
      lines(`
        input x f32[tokens, 4]
        weight kept f32[4]
        y: a f32[tokens, 4] = rmsNorm(x: x, gain: kept) {eps: 0.1}
        output a`),
    )
  })

  it('keeps a node of which one output is needed', () => {
    const text = lines(`
      input x f32[tokens, 4]
      input d f32[tokens, 4]
      weight g f32[4]
      sum: s f32[tokens, 4]; y: n f32[tokens, 4] = residualRmsNorm(x: x, delta: d, gain: g) {eps: 0.1}
      output n`)
    expect(rewrite(dropDead, text)).toBe(text)
  })
})

describe('chooseDtypes', () => {
  const text = `
    input ids i32[tokens]
    weight t q8_0[7, 32]
    y: e f32[tokens, 32] = embedding(ids: ids, table: t)
    output e`

  it('keeps what the checkpoint stores', () => {
    expect(rewrite((graph) => chooseDtypes(graph, { strict: false }), text)).toBe(lines(text))
  })

  it('takes f32 where strict', () => {
    const strict = rewrite((graph) => chooseDtypes(graph, { strict: true }), text)
    expect(strict).toBe(lines(text.replace('q8_0', 'f32')))
  })
})

describe('fuseGlu and fuseLinearGlu', () => {
  const fuseBoth = (graph: Graph) => fuseLinearGlu(fuseGlu(graph))
  const gated = `
    input x f32[tokens, 8]
    weight gate f32[4, 8]
    weight up f32[4, 8]
    y: a f32[tokens, 4] = linear(x: x, w: gate)
    y: b f32[tokens, 4] = linear(x: x, w: up)
    y: s f32[tokens, 4] = silu(x: a)
    y: y f32[tokens, 4] = multiply(x: s, z: b)
    output y`

  it('joins both products, silu and multiply', () => {
    expect(rewrite(fuseBoth, gated)).toBe(
      lines(`
        input x f32[tokens, 8]
        weight gate f32[4, 8]
        weight up f32[4, 8]
        y: y f32[tokens, 4] = linearGlu(x: x, gate: gate, up: up) {activation: "silu"}
        output y`),
    )
  })

  const unmerged = lines(`
    y: a f32[tokens, 4] = linear(x: x, w: gate)
    y: b f32[tokens, 4] = linear(x: x, w: up)
    y: y f32[tokens, 4] = glu(gate: a, up: b) {activation: "silu"}`)

  it.each([
    ['the gate is read elsewhere', `${gated}\ny: more f32[tokens, 4] = silu(x: a)\noutput more`],
    ['the gate is an output of the graph', `${gated}\noutput a`],
    ['up is an output of the graph', `${gated}\noutput b`],
    ['up is read elsewhere', `${gated}\ny: more f32[tokens, 4] = silu(x: b)\noutput more`],
  ])('keeps the products where %s', (_why, text) => {
    expect(rewrite(fuseBoth, text)).toContain(unmerged)
  })

  it('keeps the products where gate and up differ in dtype', () => {
    expect(rewrite(fuseBoth, gated.replace('up f32', 'up f16'))).toContain(unmerged)
  })

  it('keeps the products where they are of different values', () => {
    const text = gated
      .replace('linear(x: x, w: up)', 'linear(x: z, w: up)')
      .replace('weight gate', 'input z f32[tokens, 8]\nweight gate')
    expect(rewrite(fuseBoth, text)).toContain('glu(gate: a, up: b) {activation: "silu"}')
  })

  it.each([
    ['gelu(x: a) {kind: "erf"}', 'gelu_erf'],
    ['gelu(x: a) {kind: "tanh"}', 'gelu_tanh'],
    ['relu(x: a)', 'relu'],
  ])('joins them with %s as well', (call, activation) => {
    const text = rewrite(fuseBoth, gated.replace('silu(x: a)', call))
    expect(text).toContain(`linearGlu(x: x, gate: gate, up: up) {activation: "${activation}"}`)
  })

  it('keeps products with biases', () => {
    const text = gated
      .replace('linear(x: x, w: up)', 'linear(x: x, w: up, bias: b1)')
      .replace('weight gate', 'weight b1 f32[4]\nweight gate')
    expect(rewrite(fuseBoth, text)).toContain('glu(gate: a, up: b) {activation: "silu"}')
  })

  it.each([
    ['silu is read elsewhere', `${gated}\ny: more f32[tokens, 4] = softmax(x: s)\noutput more`],
    ['silu is an output of the graph', `${gated}\noutput s`],
    ['both factors are the same silu', gated.replace('multiply(x: s, z: b)', 'multiply(x: s, z: s)')],
    ['silu is the second factor only', gated.replace('multiply(x: s, z: b)', 'multiply(x: b, z: s)')],
  ])('keeps everything where %s', (_why, text) => {
    expect(rewrite((graph) => dropDead(fuseBoth(graph)), text)).toBe(rewrite(dropDead, text))
  })
})

describe('mergeProducts', () => {
  const products = `
    input x f32[tokens, 8]
    weight blk.0.attn_q.weight f16[6, 8]
    weight blk.0.attn_k.weight f16[2, 8]
    weight blk.0.attn_v.weight f16[2, 8]
    y: blk.0.attn_q f32[tokens, 6] = linear(x: x, w: blk.0.attn_q.weight)
    y: blk.0.attn_k f32[tokens, 2] = linear(x: x, w: blk.0.attn_k.weight)
    y: blk.0.attn_v f32[tokens, 2] = linear(x: x, w: blk.0.attn_v.weight)
    y: q f32[tokens, 6] = silu(x: blk.0.attn_q)
    y: k f32[tokens, 2] = multiply(x: blk.0.attn_k, z: blk.0.attn_v)
    output q
    output k`

  it('stacks the weights of products of one value and slices the result', () => {
    expect(rewrite(mergeProducts, products)).toBe(
      lines(`
        input x f32[tokens, 8]
        weight blk.0.attn_q+k+v.weight f16[10, 8] = blk.0.attn_q.weight + blk.0.attn_k.weight + blk.0.attn_v.weight
        y: blk.0.attn_q+k+v f32[tokens, 10] = linear(x: x, w: blk.0.attn_q+k+v.weight)
        y: blk.0.attn_q f32[tokens, 6] = slice(x: blk.0.attn_q+k+v) {from: 0, cols: 6}
        y: blk.0.attn_k f32[tokens, 2] = slice(x: blk.0.attn_q+k+v) {from: 6, cols: 2}
        y: blk.0.attn_v f32[tokens, 2] = slice(x: blk.0.attn_q+k+v) {from: 8, cols: 2}
        y: q f32[tokens, 6] = silu(x: blk.0.attn_q)
        y: k f32[tokens, 2] = multiply(x: blk.0.attn_k, z: blk.0.attn_v)
        output q
        output k`),
    )
  })

  it('stacks biases too, and leaves out a product without one', () => {
    const biased = products
      .replace('y: blk', 'weight blk.0.attn_q.bias f32[6]\nweight blk.0.attn_v.bias f32[2]\ny: blk')
      .replace('attn_q.weight)', 'attn_q.weight, bias: blk.0.attn_q.bias)')
      .replace('attn_v.weight)', 'attn_v.weight, bias: blk.0.attn_v.bias)')
    const merged = rewrite(mergeProducts, biased)
    expect(merged).toContain('weight blk.0.attn_q+v.bias f32[8] = blk.0.attn_q.bias + blk.0.attn_v.bias')
    expect(merged).toContain('= linear(x: x, w: blk.0.attn_q+v.weight, bias: blk.0.attn_q+v.bias)')
    expect(merged).toContain('y: blk.0.attn_k f32[tokens, 2] = linear(x: x, w: blk.0.attn_k.weight)')
  })

  it('merges only weights of one dtype', () => {
    const merged = rewrite(mergeProducts, products.replace('attn_v.weight f16', 'attn_v.weight f32'))
    expect(merged).toContain('weight blk.0.attn_q+k.weight f16[8, 8]')
    expect(merged).toContain('y: blk.0.attn_v f32[tokens, 2] = linear(x: x, w: blk.0.attn_v.weight)')
  })

  it('leaves a weight that is used twice, and a product that is an output of the graph', () => {
    const twice = `${products}\ny: again f32[tokens, 2] = linear(x: x, w: blk.0.attn_v.weight)\noutput again`
    expect(rewrite(mergeProducts, twice)).toContain('y: blk.0.attn_v f32[tokens, 2] = linear(')
    const output = rewrite(mergeProducts, `${products}\noutput blk.0.attn_k`)
    expect(output).toContain('y: blk.0.attn_k f32[tokens, 2] = linear(')
    expect(output).toContain('weight blk.0.attn_q+v.weight f16[8, 8]')
  })

  it('leaves products of different values, a product by itself, and a matrix that is no weight', () => {
    const text = lines(`
      input x f32[tokens, 8]
      input z f32[tokens, 8]
      input m f32[3, 8]
      weight a f32[2, 8]
      weight b f32[2, 8]
      y: p f32[tokens, 2] = linear(x: x, w: a)
      y: q f32[tokens, 2] = linear(x: z, w: b)
      y: r f32[tokens, 3] = linear(x: x, w: m)
      output p
      output q
      output r`)
    expect(rewrite(mergeProducts, text)).toBe(text)
  })

  it('finds a name for weights of which one begins another', () => {
    const text = `
      input x f32[tokens, 8]
      weight a.b f32[2, 8]
      weight a.b.c f32[2, 8]
      y: u.v f32[tokens, 2] = linear(x: x, w: a.b)
      y: u.v.w f32[tokens, 2] = linear(x: x, w: a.b.c)
      y: y f32[tokens, 2] = add(x: u.v, z: u.v.w)
      output y`
    expect(rewrite(mergeProducts, text)).toContain('= a.b + a.b.c')
  })
})

describe('fuseResidualNorm', () => {
  const residual = `
    input x f32[tokens, 4]
    input d f32[tokens, 4]
    weight g f32[4]
    y: s f32[tokens, 4] = add(x: x, z: d)
    y: n f32[tokens, 4] = rmsNorm(x: s, gain: g) {eps: 0.01}
    y: y f32[tokens, 4] = multiply(x: n, z: s)
    output y`

  it('joins a sum and its norm, whoever else reads the sum', () => {
    expect(rewrite(fuseResidualNorm, residual)).toBe(
      lines(`
        input x f32[tokens, 4]
        input d f32[tokens, 4]
        weight g f32[4]
        sum: s f32[tokens, 4]; y: n f32[tokens, 4] = residualRmsNorm(x: x, delta: d, gain: g) {eps: 0.01}
        y: y f32[tokens, 4] = multiply(x: n, z: s)
        output y`),
    )
  })

  it('keeps sum and norm where they are outputs of the graph', () => {
    expect(rewrite(fuseResidualNorm, `${residual}\noutput s\noutput n`)).toContain('output y\noutput s\noutput n')
  })

  it('takes the first of two norms and leaves the second', () => {
    const text = `${residual}\ny: m f32[tokens, 4] = rmsNorm(x: s, gain: g) {eps: 0.5}\noutput m`
    const fused = rewrite(fuseResidualNorm, text)
    expect(fused).toContain('{eps: 0.01}')
    expect(fused).toContain('y: m f32[tokens, 4] = rmsNorm(x: s, gain: g) {eps: 0.5}')
  })

  it('leaves sums of heads', () => {
    const text = lines(`
      input x f32[tokens, 2, 4]
      weight g f32[4]
      y: s f32[tokens, 2, 4] = add(x: x, z: x)
      y: n f32[tokens, 2, 4] = rmsNorm(x: s, gain: g) {eps: 0.01}
      output n`)
    expect(rewrite(fuseResidualNorm, text)).toBe(text)
  })
})

describe('insertCache', () => {
  it('gives attention its caches and the step its sequences', () => {
    const text = `
      input positions i32[tokens]
      input q f32[tokens, 4, 8]
      input k f32[tokens, 2, 8]
      y: blk.0.attn f32[tokens, 4, 8] = attention(q: q, k: k, v: k) {scale: 0.5}
      output blk.0.attn`
    const pass = (graph: ReturnType<typeof graphOf>) => insertCache(graph, { context: 64, sequences: 3, dtype: 'f16' })
    expect(rewrite(pass, text)).toBe(
      lines(`
        input positions i32[tokens]
        input q f32[tokens, 4, 8]
        input k f32[tokens, 2, 8]
        input sequences i32[tokens]
        state blk.0.attn_keys_cache f16[3, 2, 64, 8]
        state blk.0.attn_values_cache f16[3, 2, 64, 8]
        next: blk.0.attn_keys f16[3, 2, 64, 8] = cacheWrite(cache: blk.0.attn_keys_cache, x: k, positions: positions, sequences: sequences) {part: "keys", format: "f16"}
        next: blk.0.attn_values f16[3, 2, 64, 8] = cacheWrite(cache: blk.0.attn_values_cache, x: k, positions: positions, sequences: sequences) {part: "values", format: "f16"}
        y: blk.0.attn f32[tokens, 4, 8] = cachedAttention(q: q, keys: blk.0.attn_keys, values: blk.0.attn_values, positions: positions, sequences: sequences) {scale: 0.5}
        output blk.0.attn`),
    )
  })

  it('lets all attention that is not causal share a cache, and tells it where the sequence ends', () => {
    const text = rewrite(
      (graph) => insertCache(graph, { context: 64, sequences: 1, dtype: 'f32' }),
      `
      input positions i32[tokens]
      input x f32[tokens, 2, 8]
      y: a f32[tokens, 2, 8] = attention(q: x, k: x, v: x) {scale: 0.5, causal: false}
      y: b f32[tokens, 2, 8] = attention(q: a, k: a, v: a) {scale: 0.5, causal: false}
      output b`,
    )
    expect(text.match(/^state /gm)).toHaveLength(2)
    expect(text).toContain('input last i32[tokens]')
    expect(text).toContain('= cacheWrite(cache: a_keys, x: a, positions: positions, sequences: sequences)')
    expect(text).toMatch(/= cachedAttention\(q: a, .*positions: last, sequences: sequences\) \{scale: 0.5\}/)
  })

  it('leaves a graph without attention as it is', () => {
    const graph = graphOf('input x f32[tokens, 4]\ny: y f32[tokens, 4] = silu(x: x)\noutput y')
    expect(insertCache(graph, { context: 64, sequences: 1, dtype: 'f32' })).toBe(graph)
  })
})

describe('quantizeActivations', () => {
  it('quantises a value once for all its block-quantised products, and for no other', () => {
    const text = `
      input x f32[tokens, 32]
      weight a q8_0[2, 32]
      weight b q4_0[2, 32]
      weight c f16[2, 32]
      y: p f32[tokens, 2] = linear(x: x, w: a)
      y: q f32[tokens, 2] = linearGlu(x: x, gate: b, up: b) {activation: "silu"}
      y: r f32[tokens, 2] = linear(x: x, w: c)
      output p
      output q
      output r`
    expect(rewrite(quantizeActivations, text)).toBe(
      lines(`
        input x f32[tokens, 32]
        weight a q8_0[2, 32]
        weight b q4_0[2, 32]
        weight c f16[2, 32]
        y: x.a8 a8[tokens, 32] = quantize(x: x)
        y: p f32[tokens, 2] = linear(x: x.a8, w: a)
        y: q f32[tokens, 2] = linearGlu(x: x.a8, gate: b, up: b) {activation: "silu"}
        y: r f32[tokens, 2] = linear(x: x, w: c)
        output p
        output q
        output r`),
    )
  })
})

describe('optimize', () => {
  const cache = { context: 64, sequences: 1, dtype: 'f32' } as const

  it('makes one product of q, k and v, one of gate and up, and no node that nothing reads', () => {
    const text = `
      input positions i32[tokens]
      input q f32[tokens, 4, 8]
      y: dead f32[tokens, 4, 8] = attention(q: q, k: q, v: q) {scale: 0.5}
      y: y f32[tokens, 4, 8] = add(x: q, z: q)
      output y`
    expect(rewrite((graph) => optimize(graph, { cache, strict: false }), text)).not.toContain('state')
  })

  it('refuses a graph that breaks a rule before any pass', () => {
    const graph = { ...graphOf('input x f32[tokens, 4]\ny: y f32[tokens, 4] = silu(x: x)\noutput y'), outputs: ['z'] }
    expect(() => optimize(graph, { cache, strict: false })).toThrow('z: is an output of the graph but is not defined')
  })
})
