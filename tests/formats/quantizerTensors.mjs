// The matrices that our encoders and llama.cpp's quantiser are compared on; bench/quantizers.mjs and the test read them.

const rows = 4
const cols = 1024

/** Columns of tensors of models/demo.gguf. @type {Readonly<Record<string, number>>} */
export const demoTensors = {
  'token_embd.weight': 256,
  'blk.0.attn_v.weight': 256,
  'blk.1.ffn_down.weight': 768,
  'blk.3.ffn_up.weight': 256,
}

/** Uniform numbers from 0 to 1, by xorshift32. @param {number} seed */
function uniforms(seed) {
  let state = Math.imul(seed, 0x9e3779b1) | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

/** About normal: twelve uniform numbers, so that no library function decides the last bit. @param {() => number} draw */
function normal(draw) {
  let sum = -6
  for (let i = 0; i < 12; i++) sum += draw()
  return sum
}

/** @type {Readonly<Record<string, (draw: () => number) => number>>} */
const distributions = {
  gaussian: (draw) => 0.02 * normal(draw),
  'heavy-tailed': (draw) => (0.02 * normal(draw)) / Math.sqrt(0.02 + draw()),
  uniform: (draw) => draw() - 0.5,
  shifted: (draw) => 0.05 + 0.02 * normal(draw),
  sparse: (draw) => (draw() < 0.85 ? 0 : normal(draw)),
  outliers: (draw) => (draw() < 0.01 ? 1 : 0.02) * normal(draw),
}

/** @param {ReadonlyMap<string, Float32Array>} demo @returns {readonly import('./quantizerTensors.mjs').QuantizerTensor[]} */
export function quantizerTensors(demo) {
  const made = Object.entries(distributions).map(([name, value], index) => {
    const draw = uniforms(index + 1)
    return matrix(name, rows, cols, Float32Array.from({ length: rows * cols }, () => value(draw)))
  })
  const taken = [...demo].map(([name, values]) => {
    const width = demoTensors[name] ?? 1
    const some = 16
    return matrix(name, some, width, values.subarray(0, some * width))
  })
  return [...made, ...taken]
}

/** @param {string} name @param {number} rows @param {number} cols @param {Float32Array} values */
function matrix(name, rows, cols, values) {
  const draw = uniforms(rows * cols)
  // Activations differ by orders of magnitude between columns.
  const importance = Float32Array.from({ length: cols }, () => 0.01 + draw() ** 4)
  return { name, rows, cols, values, importance }
}

/** @param {import('./quantizerTensors.mjs').QuantizerTensor} tensor @param {ArrayLike<number>} found @param {Float32Array | undefined} importance */
export function relativeError({ values, cols }, found, importance) {
  let error = 0
  let all = 0
  values.forEach((value, i) => {
    const weight = importance?.[i % cols] ?? 1
    error += weight * ((found[i] ?? Number.NaN) - value) ** 2
    all += weight * value ** 2
  })
  return error / all
}
