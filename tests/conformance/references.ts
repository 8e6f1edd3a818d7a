import { dtypes, type FloatDtype, numberToHalf, type WeightDtype, weightDtypes } from '../../src/base/dtypes.ts'
import type { CacheDtype } from '../../src/kernels/attention/attention.kernel.ts'
import { leastRoom, type MatmulForm } from '../../src/kernels/matmul/matmul.kernel.ts'
import type { KernelName } from '../../src/kernels/registry.ts'
import { activationOf } from '../../src/ops/activations.ts'
import type { Dims } from './placement.ts'
import type { Random } from './random.ts'
import { writeRandomBlock } from './randomBlock.ts'
import { gradientReferences } from './references/gradient.ts'
import { updateReferences } from './references/update.ts'

/** Values of each buffer, dense, in double. */
export type Values = { readonly [buffer: string]: Float64Array }

/** What a case gives for a buffer: its values before rounding to the dtype, or its bytes; null: NULL. */
export type Fill = (dims: Dims, random: Random) => ArrayLike<number> | null

export interface Reference {
  /** Sizes of the cases, for a target with this many lanes. */
  readonly sizes: (lanes: number) => readonly Dims[]
  readonly attributes?: Dims | ((dims: Dims) => Dims)
  /** Buffers that are not just random values. */
  readonly fill?: { readonly [buffer: string]: Fill }
  /** The outputs in double; bytes where every byte counts. Absent inputs are missing from `values`. */
  readonly compute: (
    values: Values,
    dims: Dims,
    attributes: { readonly [name: string]: number },
  ) => { readonly [buffer: string]: Float64Array | Uint8Array }
  /** Largest error, in epsilons of f32 of the largest magnitude; 0: exact. */
  readonly epsilons: number
}

/** `count` cases in which every value of every list occurs, neighbours differing. */
function mixed(count: number, lists: { readonly [dim: string]: readonly number[] }): Dims[] {
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries(
      Object.entries(lists).map(([dim, list], at) => [
        dim,
        list[(i + Math.floor((i * at) / list.length)) % list.length]!,
      ]),
    ),
  )
}

/** Adds strides that differ from the width, are no multiple of the lanes, or are dense. */
function strided(dims: readonly Dims[], width: (dims: Dims) => number, ...strides: readonly string[]): Dims[] {
  return dims.map((each, i) => ({
    ...each,
    ...Object.fromEntries(strides.map((stride, at) => [stride, width(each) + [0, 3, 16, 1][(i + at) % 4]!])),
  }))
}

const around = (lanes: number) => [1, lanes - 1, lanes, lanes + 1, 2 * lanes + 3, 37, 131]
const counts = [1, 2, 3, 7]
/** The activation of a call, by its number. */
const activate = (code: number) => Object.values(activationOf)[code]!
const eachActivation = ({ rows, cols }: Dims) => ({ activation: (rows! + cols!) % 4 })

function dots(x: Float64Array, w: Float64Array, tokens: number, rows: number, cols: number): Float64Array {
  const y = new Float64Array(tokens * rows)
  for (let t = 0; t < tokens; t++) {
    for (let r = 0; r < rows; r++) {
      let sum = 0
      for (let c = 0; c < cols; c++) sum += x[t * cols + c]! * w[r * cols + c]!
      y[t * rows + r] = sum
    }
  }
  return y
}

const tokenCounts = [1, 2, 13, 3, 6, 1, 7, 4, 19]
const rowCounts = (lanes: number) => [
  1,
  lanes - 1,
  lanes,
  lanes + 1,
  4 * lanes,
  5 * lanes + 3,
  9 * lanes,
  11 * lanes - 1,
]

/** A reference for the kernels of one family in every weight format. */
function perFormat<F extends string>(family: F, reference: (dtype: WeightDtype) => Reference) {
  return Object.fromEntries(weightDtypes.map((dtype) => [`${family}_${dtype}`, reference(dtype)])) as {
    [D in WeightDtype as `${F}_${D}`]: Reference
  }
}

/** The references of one form of the matrix product, by the dtypes of b. */
function perForm<F extends MatmulForm>(form: F) {
  return Object.fromEntries(
    (['f32', 'f16', 'bf16'] as const).map((dtype) => [
      `matmul_fwd_${form}_${dtype}`,
      // Only the copy of b knows its dtype.
      matmul(form, dtype === 'f32' ? 14 : 5),
    ]),
  ) as {
    [D in FloatDtype as `matmul_fwd_${F}_${D}`]: Reference
  }
}

/** Widths: whole blocks of a format, or any where values stand alone. */
function widths(dtype: WeightDtype, blocks: readonly number[], others: readonly number[]): readonly number[] {
  const { blockElements } = dtypes[dtype]
  return blockElements === 1 ? others : blocks.map((count) => count * blockElements)
}

function linear(dtype: WeightDtype, count = 16): Reference {
  const { blockElements } = dtypes[dtype]
  return {
    sizes(lanes) {
      const blocks = blockElements === 32 ? [1, 2, 3, 7, 19] : [1, 2, 3, 5]
      const cols = widths(dtype, blocks, [1, lanes + 1, 37, 2 * lanes, 259])
      // More tokens and columns than a kernel takes at once.
      const many = { tokens: 193, rows: 2 * lanes + 1, cols: blockElements > 1 ? 9 * 256 : 259 }
      // Outputs that the parts own.
      const own = { tokens: 1, rows: 160, cols: blockElements > 1 ? 512 : 67 }
      // A lone output may cancel to near nothing, which says little about the kernel.
      const sizes = mixed(count, { tokens: tokenCounts, rows: rowCounts(lanes), cols })
        .map((dims) => (dims.tokens === 1 && dims.rows === 1 ? { ...dims, tokens: 5 } : dims))
        .concat(many, own)
      const withY = strided(sizes, ({ rows }) => rows!, 'yRow')
      return blockElements > 1 ? withY : strided(withY, ({ cols }) => cols!, 'xRow')
    },
    fill: {
      bias: ({ rows, cols }, random) =>
        (rows! + cols!) % 2 ? null : Array.from({ length: rows! }, () => random.normal()),
    },
    compute: ({ x, w, bias }, { tokens, rows, cols }) => ({
      y: dots(x!, w!, tokens!, rows!, cols!).map((sum, i) => sum + (bias ? bias[i % rows!]! : 0)),
    }),
    epsilons: 64,
  }
}

function linearGlu(dtype: WeightDtype): Reference {
  return {
    ...linear(dtype, 9),
    attributes: eachActivation,
    compute({ x, w }, { tokens, rows, cols }, { activation }) {
      const gate = dots(x!, w!.subarray(0, rows! * cols!), tokens!, rows!, cols!)
      const up = dots(x!, w!.subarray(rows! * cols!), tokens!, rows!, cols!)
      return { y: gate.map((value, i) => activate(activation!)(value) * up[i]!) }
    },
  }
}

/** Sizes around the tiles of the matrix product, with much scratch and with little, which makes pieces and blocks small. */
function matmulSizes(lanes: number, count: number): Dims[] {
  const sizes = mixed(count, {
    rows: [1, 2, 3, 6, 7, 13, 19],
    cols: [1, lanes - 1, lanes, lanes + 1, 3 * lanes, 4 * lanes + 5, 9 * lanes],
    depth: [37, 1, lanes + 1, 2 * lanes, 131],
  })
  const large = [
    { rows: 1, cols: 6 * lanes + 1, depth: 400 },
    { rows: 41, cols: 1, depth: 300 },
    { rows: 23, cols: 5 * lanes + 3, depth: 560 },
    { rows: 16, cols: 4 * lanes, depth: 0 },
  ]
  // A lone output may cancel to near nothing, which says little about the kernel.
  const rooms = [leastRoom, 12 * leastRoom, 3 * leastRoom]
  return [...sizes, ...large].map((dims, i) => ({
    ...dims,
    rows: dims.rows === 1 && dims.cols === 1 ? 5 : dims.rows!,
    room: rooms[i % rooms.length]!,
  }))
}

function matmul(form: MatmulForm, count: number): Reference {
  const [transposedA, transposedB] = [form[0] === 't', form[1] === 't']
  return {
    sizes(lanes) {
      const withA = strided(matmulSizes(lanes, count), ({ rows, depth }) => (transposedA ? rows! : depth!), 'aRow')
      const withB = strided(withA, ({ cols, depth }) => (transposedB ? depth! : cols!), 'bRow')
      return strided(withB, ({ cols }) => cols!, 'sumRow', 'yRow')
    },
    fill: {
      sum: ({ rows, cols, depth }, random) =>
        depth! % 2 ? null : Array.from({ length: rows! * cols! }, () => random.normal()),
    },
    compute({ a, b, sum }, { rows, cols, depth }) {
      const y = Float64Array.from({ length: rows! * cols! }, (_, at) => {
        const [i, j] = [Math.floor(at / cols!), at % cols!]
        let total = sum?.[at] ?? 0
        for (let k = 0; k < depth!; k++)
          total += a![transposedA ? k * rows! + i : i * depth! + k]! * b![transposedB ? j * depth! + k : k * cols! + j]!
        return total
      })
      return { y }
    },
    epsilons: 64,
  }
}

const below = (limit: string, count: string): Fill => {
  return (dims, random) => Array.from({ length: dims[count]! }, () => random.whole(dims[limit]!))
}

const take = (from: Float64Array, index: Float64Array, cols: number) =>
  Float64Array.from({ length: index.length * cols }, (_, i) => from[index[Math.floor(i / cols)]! * cols + (i % cols)]!)

function embedding(dtype: WeightDtype): Reference {
  return {
    sizes: (lanes) =>
      mixed(8, {
        tokens: counts,
        rows: [1, lanes + 1, 3 * lanes, 5 * lanes - 1],
        cols: widths(dtype, [1, 3], [1, 37]),
      }),
    fill: { ids: below('rows', 'tokens') },
    // A value with an offset is rounded to f32; all others are exact in it.
    compute: ({ ids, w }, { cols }) => ({ y: take(w!, ids!, cols!).map(Math.fround) }),
    epsilons: 0,
  }
}

function eachRow(x: Float64Array, cols: number, f: (row: Float64Array) => Float64Array): Float64Array {
  const y = new Float64Array(x.length)
  for (let at = 0; at < x.length; at += cols) y.set(f(x.subarray(at, at + cols)), at)
  return y
}

function normalise(x: Float64Array, gain: Float64Array, eps: number): Float64Array {
  const cols = gain.length
  return eachRow(x, cols, (row) => {
    const root = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / cols + eps)
    return row.map((value, i) => (value * gain[i]!) / root)
  })
}

function rope(first: (i: number, pairs: number) => number, second: (i: number, pairs: number) => number): Reference {
  return {
    sizes: (lanes) =>
      strided(
        [
          { tokens: 1, heads: 1, width: 2, pairs: 1 },
          { tokens: 5, heads: 3, width: 10, pairs: 5 },
          { tokens: 2, heads: 2, width: 4 * lanes, pairs: 2 * lanes },
          { tokens: 3, heads: 1, width: 2 * lanes + 7, pairs: lanes + 1 },
          { tokens: 7, heads: 2, width: 24, pairs: 4 },
        ],
        ({ heads, width }) => heads! * width!,
        'xRow',
        'yRow',
      ),
    compute({ x, table }, { tokens, heads, width, pairs }) {
      const y = x!.slice()
      for (let at = 0; at < tokens! * heads!; at++) {
        const row = Math.floor(at / heads!) * 2 * pairs!
        for (let i = 0; i < pairs!; i++) {
          const [a, b] = [at * width! + first(i, pairs!), at * width! + second(i, pairs!)]
          const [cosine, sine] = [table![row + i]!, table![row + pairs! + i]!]
          y[a] = x![a]! * cosine - x![b]! * sine
          y[b] = x![a]! * sine + x![b]! * cosine
        }
      }
      return { y }
    },
    epsilons: 2,
  }
}

function cacheWrite(dtype: CacheDtype): Reference {
  return {
    sizes: (lanes) =>
      strided(
        [
          { tokens: 1, heads: 1, width: 1, context: 16, sequenceCount: 1 },
          { tokens: 5, heads: 3, width: 10, context: 32, sequenceCount: 2 },
          { tokens: 7, heads: 2, width: lanes + 1, context: 16, sequenceCount: 3 },
          { tokens: 4, heads: 1, width: 2 * lanes, context: 48, sequenceCount: 1 },
        ].map((size) => ({ ...size, width: headWidth(dtype, size.width) })),
        ({ heads, width }) => heads! * width!,
        'xRow',
      ),
    fill: {
      sequences: ({ tokens, sequenceCount }) => Array.from({ length: tokens! }, (_, t) => t % sequenceCount!),
      positions: ({ tokens, sequenceCount, context }) =>
        Array.from({ length: tokens! }, (_, t) => (context! - 2 + Math.floor(t / sequenceCount!)) % context!),
      ...(dtype === 'q8_0' ? { x: cacheBlocks } : {}),
    },
    compute({ x, positions, sequences, cache }, { tokens, heads, width, context }) {
      const after = cache!.slice()
      for (let t = 0; t < tokens!; t++) {
        for (let h = 0; h < heads!; h++) {
          const row = (sequences![t]! * heads! + h) * context! + positions![t]!
          const from = x!.subarray((t * heads! + h) * width!, (t * heads! + h + 1) * width!)
          if (dtype !== 'q8_0') after.set(dtype === 'f16' ? from.map(halfValue) : from, row * width!)
          else for (let b = 0; b < width!; b += 32) after.set(cacheBlock(from.subarray(b, b + 32)), row * width! + b)
        }
      }
      return { cache: after }
    },
    epsilons: 0,
  }
}

const headWidth = (dtype: CacheDtype, width: number) => (dtype === 'q8_0' ? 32 * Math.ceil(width / 16) : width)

/** Blocks of every kind: ordinary, zero, with a scale that binary16 holds badly or not at all, large, with ties. */
const cacheBlocks: Fill = ({ tokens, heads, width }, random) => {
  const factors = [1, 0, 1e-5, 1e-9, 1e5, 100]
  return Float64Array.from({ length: tokens! * heads! * width! }, (_, i) => {
    const block = Math.floor(i / 32)
    return block % 7 === 6 ? (i % 255) - 127.5 : random.normal() * factors[block % factors.length]!
  })
}

/** A block of 32 as q8_0 holds it, in the steps of f32. */
function cacheBlock(x: Float64Array): Float64Array {
  const scale = halfValue(Math.fround(x.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127))
  const inverse = Math.fround(1 / scale)
  return x.map((value) => {
    if (scale === 0) return 0
    const scaled = Math.fround(value * inverse)
    const even = 2 * Math.round(scaled / 2)
    const code = Math.abs(scaled - Math.trunc(scaled)) === 0.5 ? even : Math.round(scaled)
    return scale * Math.min(127, Math.max(-127, code))
  })
}

const halfValue = (value: number) => {
  const bits = numberToHalf(value)
  const magnitude = bits & 0x7fff
  const value16 =
    magnitude < 0x400 ? magnitude * 2 ** -24 : (1 + (magnitude & 0x3ff) / 1024) * 2 ** ((magnitude >> 10) - 15)
  return bits & 0x8000 ? -value16 : value16
}

/** Token t of sequence t mod the count; the last of each sequence reaches the end of the context. */
const spread: { readonly [buffer: string]: Fill } = {
  sequences: ({ tokens, sequenceCount }) =>
    Array.from({ length: tokens! }, (_, t) => Math.floor((t * sequenceCount!) / tokens!)),
  positions: ({ tokens, context }, random) => {
    const start = random.whole(context! - tokens! + 1)
    return Array.from({ length: tokens! }, (_, t) => start + t)
  },
}

/** Random values, and NaN at the positions that no token of the sequence may read. */
function cached(dtype: CacheDtype): Fill {
  return ({ sequenceCount, kvHeads, context, width, reach, window, tokens }, random) => {
    const first = window ? Math.max(0, reach! - tokens! + 2 - window) : 0
    const isRead = (row: number) => row % context! <= reach! && row % context! >= first
    const elements = sequenceCount! * kvHeads! * context! * width!
    if (dtype !== 'q8_0')
      return Float64Array.from({ length: elements }, (_, i) =>
        isRead(Math.floor(i / width!)) ? random.normal() : Number.NaN,
      )
    const bytes = new Uint8Array((elements / 32) * 34)
    const view = new DataView(bytes.buffer)
    for (let block = 0; block < elements / 32; block++) {
      writeRandomBlock('q8_0', view, 34 * block, random)
      if (!isRead(Math.floor((32 * block) / width!))) view.setUint16(34 * block, 0x7e00, true)
    }
    return bytes
  }
}

/** Scores and values of query row `at` (token, head), for the positions `from` to `to` - 1 of its sequence. */
function weigh(
  { q, keys, values, sequences }: Values,
  { heads, kvHeads, width, context }: Dims,
  { scale, softCap }: { readonly [name: string]: number },
  at: number,
  from: number,
  to: number,
) {
  const [t, h] = [Math.floor(at / heads!), at % heads!]
  const head = sequences![t]! * kvHeads! + Math.floor((h * kvHeads!) / heads!)
  const query = q!.subarray(at * width!, (at + 1) * width!)
  const row = (all: Float64Array, u: number) =>
    all.subarray((head * context! + u) * width!, (head * context! + u + 1) * width!)
  const scores = Array.from({ length: to - from }, (_, i) => {
    const key = row(keys!, from + i)
    const score = scale! * query.reduce((sum, value, c) => sum + value * key[c]!, 0)
    return softCap! > 0 ? softCap! * Math.tanh(score / softCap!) : score
  })
  const most = Math.max(...scores)
  const sums = new Float64Array(width!)
  let total = 0
  for (const [i, score] of scores.entries()) {
    const weight = Math.exp(score - most)
    const value = row(values!, from + i)
    total += weight
    for (let c = 0; c < width!; c++) sums[c]! += weight * value[c]!
  }
  return { most, total, sums }
}

const queryRows = ({ heads, width }: Dims) => heads! * width!
const attentionAttributes = ({ window, cap }: Dims) => ({ scale: 0.25, window: window ?? 0, softCap: cap ?? 0 })
const attentionFill = (dtype: CacheDtype): { readonly [buffer: string]: Fill } => ({
  keys: cached(dtype),
  values: cached(dtype),
  sequences: spread.sequences!,
  positions: ({ tokens, reach }) => Array.from({ length: tokens! }, (_, t) => Math.max(0, reach! - tokens! + 1 + t)),
})

function attention(dtype: CacheDtype): Reference {
  return {
    sizes: (lanes) =>
      strided(
        [
          { tokens: 1, heads: 1, kvHeads: 1, width: 1, context: 64, sequenceCount: 1, reach: 0 },
          { tokens: 1, heads: 6, kvHeads: 2, width: lanes + 1, context: 128, sequenceCount: 2, reach: 78 },
          { tokens: 4, heads: 4, kvHeads: 4, width: 2 * lanes, context: 64, sequenceCount: 1, reach: 63, cap: 0.7 },
          { tokens: 70, heads: 4, kvHeads: 2, width: 10, context: 192, sequenceCount: 1, reach: 133 },
          { tokens: 9, heads: 4, kvHeads: 1, width: 3 * lanes - 1, context: 192, sequenceCount: 3, reach: 128 },
          { tokens: 5, heads: 19, kvHeads: 1, width: 24, context: 128, sequenceCount: 2, reach: 64 },
          { tokens: 3, heads: 2, kvHeads: 1, width: 64, context: 320, sequenceCount: 1, reach: 319 },
          { tokens: 4, heads: 3, kvHeads: 1, width: 5, context: 2112, sequenceCount: 1, reach: 2049 },
          {
            tokens: 9,
            heads: 4,
            kvHeads: 2,
            width: 16,
            context: 192,
            sequenceCount: 1,
            reach: 150,
            window: 33,
            cap: 2,
          },
          { tokens: 1, heads: 2, kvHeads: 1, width: 10, context: 128, sequenceCount: 1, reach: 101, window: 1 },
          { tokens: 3, heads: 2, kvHeads: 2, width: 4, context: 3136, sequenceCount: 1, reach: 3073, window: 1026 },
        ].map((size) => ({ ...size, width: headWidth(dtype, size.width) })),
        queryRows,
        'qRow',
        'yRow',
      ),
    attributes: attentionAttributes,
    fill: attentionFill(dtype),
    compute(values, dims, attributes) {
      const { window } = attributes
      const { tokens, heads, width } = dims
      const y = new Float64Array(tokens! * heads! * width!)
      for (let at = 0; at < tokens! * heads!; at++) {
        const end = values.positions![Math.floor(at / heads!)]! + 1
        const { total, sums } = weigh(values, dims, attributes, at, window ? Math.max(0, end - window) : 0, end)
        y.set(
          sums.map((sum) => sum / total),
          at * width!,
        )
      }
      return { y }
    },
    epsilons: 32,
  }
}

/** Every token reaches the last segment, for what belongs to segments without positions is not written. */
function attentionSegments(dtype: CacheDtype): Reference {
  return {
    sizes: (lanes) =>
      strided(
        [
          { tokens: 1, heads: 6, kvHeads: 2, width: lanes + 1, context: 1088, segments: 2, reach: 1060 },
          { tokens: 3, heads: 2, kvHeads: 2, width: 10, context: 2112, segments: 3, reach: 2050, cap: 1.2 },
          { tokens: 2, heads: 3, kvHeads: 1, width: 4, context: 64, segments: 1, reach: 40 },
        ].map((size) => ({ ...size, sequenceCount: 1, width: headWidth(dtype, size.width) })),
        queryRows,
        'qRow',
      ),
    attributes: attentionAttributes,
    fill: attentionFill(dtype),
    compute(values, dims, attributes) {
      const { tokens, heads, width, segments } = dims
      const sums = new Float64Array(tokens! * heads! * segments! * width!)
      const states = new Float64Array(tokens! * heads! * segments! * 2)
      for (let at = 0; at < tokens! * heads! * segments!; at++) {
        const row = Math.floor(at / segments!)
        const from = (at % segments!) * 1024
        const to = Math.min(from + 1024, values.positions![Math.floor(row / heads!)]! + 1)
        const { most, total, sums: own } = weigh(values, dims, attributes, row, from, to)
        sums.set(own, at * width!)
        states.set([most, total], at * 2)
      }
      return { sums, states }
    },
    epsilons: 32,
  }
}

/** Whether segment `segment` of 1024 positions holds some that the token at `position` reads. */
const readsSegment = (position: number, window: number, segment: number) =>
  segment * 1024 <= position && (segment + 1) * 1024 > (window ? Math.max(0, position + 1 - window) : 0)

const attentionMerge: Reference = {
  sizes: (lanes) =>
    strided(
      [
        { tokens: 1, heads: 3, width: lanes + 1, segments: 4, reach: 4095, window: 0 },
        { tokens: 5, heads: 2, width: 2 * lanes, segments: 3, reach: 2049, window: 1500 },
        { tokens: 2, heads: 1, width: 1, segments: 1, reach: 70, window: 0 },
      ],
      queryRows,
      'yRow',
    ),
  attributes: ({ window }) => ({ window: window! }),
  fill: {
    positions: ({ tokens, reach }) => Array.from({ length: tokens! }, (_, t) => reach! - tokens! + 1 + t),
    states: ({ tokens, heads, segments }, random) =>
      Array.from({ length: tokens! * heads! * segments! * 2 }, (_, i) =>
        i % 2 ? 1 + Math.abs(random.normal()) : 3 * random.normal(),
      ),
    sums: ({ tokens, heads, segments, width, reach, window }, random) =>
      Array.from({ length: tokens! * heads! * segments! * width! }, (_, i) => {
        const row = Math.floor(i / width!)
        const token = Math.floor(row / segments! / heads!)
        const isRead = readsSegment(reach! - tokens! + 1 + token, window!, row % segments!)
        return isRead ? random.normal() : Number.NaN
      }),
  },
  compute({ sums, states, positions }, { tokens, heads, width, segments }, { window }) {
    const y = new Float64Array(tokens! * heads! * width!)
    for (let row = 0; row < tokens! * heads!; row++) {
      const read = Array.from({ length: segments! }, (_, segment) => segment).filter((segment) =>
        readsSegment(positions![Math.floor(row / heads!)]!, window!, segment),
      )
      const state = (segment: number, i: number) => states![(row * segments! + segment) * 2 + i]!
      const most = Math.max(...read.map((segment) => state(segment, 0)))
      const factor = (segment: number) => Math.exp(state(segment, 0) - most)
      const total = read.reduce((sum, segment) => sum + factor(segment) * state(segment, 1), 0)
      for (const segment of read) {
        for (let c = 0; c < width!; c++)
          y[row * width! + c]! += (factor(segment) / total) * sums![(row * segments! + segment) * width! + c]!
      }
    }
    return { y }
  },
  epsilons: 16,
}

/** Tokens of each sequence in a row; every second sequence begins, the others go on. The states of those that begin are NaN. */
const continued: { readonly [buffer: string]: Fill } = {
  sequences: spread.sequences!,
  positions: (dims, random) => {
    const sequences = Array.from(spread.sequences!(dims, random)!)
    return sequences.map((sequence, t) => t - sequences.indexOf(sequence) + (sequence % 2 ? 5 : 0))
  },
}

const carried =
  (elements: (dims: Dims) => number): Fill =>
  (dims, random) => {
    const each = elements(dims)
    return Array.from({ length: dims.sequenceCount! * each }, (_, i) =>
      Math.floor(i / each) % 2 ? random.normal() : Number.NaN,
    )
  }

/** The states that the kernel leaves, of which those of sequences without tokens stay as they are. */
function statesAfter({ state, sequences, positions }: Values, each: number): Float64Array[] {
  return Array.from({ length: state!.length / each }, (_, sequence) => {
    const first = sequences!.indexOf(sequence)
    const isNew = first >= 0 && positions![first] === 0
    return isNew ? new Float64Array(each) : state!.slice(sequence * each, (sequence + 1) * each)
  })
}

const causalConvolution: Reference = {
  sizes: (lanes) =>
    strided(
      [
        { tokens: 1, channels: 1, taps: 2, sequenceCount: 2 },
        { tokens: 7, channels: lanes + 3, taps: 4, sequenceCount: 2 },
        { tokens: 9, channels: 131, taps: 3, sequenceCount: 4 },
        { tokens: 2, channels: 4 * lanes, taps: 7, sequenceCount: 1 },
        { tokens: 5, channels: 193, taps: 4, sequenceCount: 2 },
      ].map((dims) => ({ ...dims, held: dims.taps - 1, sequenceCount: Math.min(dims.sequenceCount, dims.tokens) })),
      ({ channels }) => channels!,
      'xRow',
      'yRow',
    ),
  attributes: ({ taps }) => ({ silu: taps! % 2 ? 0 : 1 }),
  fill: { ...continued, state: carried(({ held, channels }) => held! * channels!) },
  compute(values, { tokens, channels, taps, held }, { silu: isSilu }) {
    const { x, w, sequences } = values
    const states = statesAfter(values, held! * channels!)
    const y = new Float64Array(tokens! * channels!)
    for (let t = 0; t < tokens!; t++) {
      const state = states[sequences![t]!]!
      for (let c = 0; c < channels!; c++) {
        const seen = [...Array.from({ length: held! }, (_, j) => state[j * channels! + c]!), x![t * channels! + c]!]
        const sum = seen.reduce((all, value, j) => all + value * w![c * taps! + j]!, 0)
        y[t * channels! + c] = isSilu ? activationOf.silu(sum) : sum
        for (let j = 0; j < held!; j++) state[j * channels! + c] = seen[j + 1]!
      }
    }
    return { state: Float64Array.from(states.flatMap((state) => [...state])), y }
  },
  epsilons: 8,
}

const deltaRule: Reference = {
  sizes: (lanes) =>
    strided(
      strided(
        [
          { tokens: 1, keyHeads: 1, valueHeads: 1, keyWidth: 1, valueWidth: 1, sequenceCount: 1 },
          { tokens: 7, keyHeads: 2, valueHeads: 4, keyWidth: 10, valueWidth: lanes + 1, sequenceCount: 2 },
          { tokens: 9, keyHeads: 3, valueHeads: 3, keyWidth: lanes + 5, valueWidth: 139, sequenceCount: 4 },
          { tokens: 66, keyHeads: 1, valueHeads: 2, keyWidth: 24, valueWidth: 32, sequenceCount: 1 },
          { tokens: 2, keyHeads: 1, valueHeads: 2, keyWidth: 256, valueWidth: 65, sequenceCount: 2 },
        ],
        ({ keyHeads, keyWidth }) => keyHeads! * keyWidth!,
        'qRow',
        'kRow',
      ),
      ({ valueHeads, valueWidth }) => valueHeads! * valueWidth!,
      'vRow',
      'yRow',
    ),
  attributes: ({ tokens }) => ({ tiled: tokens! % 2, scale: 0.25 }),
  fill: {
    ...continued,
    // Keys of about length 1, as the rule expects them: the states stay bounded.
    k: ({ tokens, keyHeads, keyWidth }, random) =>
      Array.from({ length: tokens! * keyHeads! * keyWidth! }, () => random.normal() / Math.sqrt(keyWidth!)),
    decay: ({ tokens, valueHeads }, random) =>
      Array.from({ length: tokens! * valueHeads! }, () => Math.exp(-Math.abs(random.normal()))),
    beta: ({ tokens, valueHeads }, random) =>
      Array.from({ length: tokens! * valueHeads! }, () => 1 / (1 + Math.exp(random.normal()))),
    state: carried(({ valueHeads, keyWidth, valueWidth }) => valueHeads! * keyWidth! * valueWidth!),
  },
  compute(values, { tokens, keyHeads, valueHeads, keyWidth, valueWidth }, { tiled, scale }) {
    const { q, k, v, decay, beta, sequences } = values
    const states = statesAfter(values, valueHeads! * keyWidth! * valueWidth!)
    const y = new Float64Array(tokens! * valueHeads! * valueWidth!)
    for (let at = 0; at < tokens! * valueHeads!; at++) {
      const [t, h] = [Math.floor(at / valueHeads!), at % valueHeads!]
      const keyHead = tiled ? h % keyHeads! : Math.floor((h * keyHeads!) / valueHeads!)
      const row = (all: Float64Array) => all.subarray((t * keyHeads! + keyHead) * keyWidth!).subarray(0, keyWidth)
      const state = states[sequences![t]!]!.subarray(h * keyWidth! * valueWidth!, (h + 1) * keyWidth! * valueWidth!)
      for (let c = 0; c < valueWidth!; c++) {
        const column = row(k!).map((_, i) => decay![at]! * state[i * valueWidth! + c]!)
        const known = column.reduce((sum, value, i) => sum + value * row(k!)[i]!, 0)
        const change = beta![at]! * (v![at * valueWidth! + c]! - known)
        const changed = column.map((value, i) => value + row(k!)[i]! * change)
        changed.forEach((value, i) => {
          state[i * valueWidth! + c] = value
        })
        y[at * valueWidth! + c] = scale! * changed.reduce((sum, value, i) => sum + value * row(q!)[i]!, 0)
      }
    }
    return { state: Float64Array.from(states.flatMap((state) => [...state])), y }
  },
  epsilons: 64,
}

/** Blocks of every kind: ordinary, zero, tiny, with ties, and with values that are no numbers. */
const blocksToQuantise: Fill = ({ tokens, cols }, random) => {
  const factors = [1, 1, 0, 1e-35, 1e30, 1, 100]
  return Float64Array.from({ length: tokens! * cols! }, (_, i) => {
    const block = Math.floor(i / 32)
    if (block % 11 === 9) return (i % 255) - 127.5
    if (block % 13 === 12 && i % 32 === 5) return [Number.NaN, Number.POSITIVE_INFINITY][block % 2]!
    return random.normal() * factors[block % factors.length]!
  })
}

function quantiseBlock(x: Float64Array, out: DataView, at: number) {
  const largest = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  if (!Number.isFinite(largest)) return out.setUint32(at, 0x7fc00000, true)
  if (largest < 2 ** -100) return
  const inverse = Math.fround(127 / largest)
  const sums = [0, 0]
  for (const [i, value] of x.entries()) {
    const scaled = Math.fround(value * inverse)
    const floor = Math.floor(scaled)
    const rest = scaled - floor
    const code = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor
    out.setInt8(at + 16 + i, code)
    sums[i >> 4]! += code
  }
  const scale = Math.fround(largest / 127)
  out.setFloat32(at, scale, true)
  out.setFloat32(at + 4, scale * (sums[0]! + sums[1]!), true)
  out.setInt32(at + 8, -128 * (sums[0]! + sums[1]!), true)
  out.setInt32(at + 12, -128 * sums[0]!, true)
}

function pointwise(f: (a: number, b: number) => number, a: string, b: string, epsilons: number): Reference {
  return {
    sizes: (lanes) =>
      strided(mixed(14, { rows: counts, cols: around(lanes) }), ({ cols }) => cols!, `${a}Row`, `${b}Row`, 'yRow'),
    compute: (values) => ({ y: values[a]!.map((value, i) => f(value, values[b]![i]!)) }),
    epsilons,
  }
}

const rowsOf = (lanes: number, wide = 1000) =>
  strided(mixed(16, { rows: counts, cols: [...around(lanes), wide] }), ({ cols }) => cols!, 'xRow', 'yRow')

/** How every kernel is judged. Products of block formats have exact dots, so they too err by roundings of f32 only. */
export const references: { readonly [N in KernelName]: Reference } = {
  ...gradientReferences,
  ...updateReferences,
  ...perFormat('linear_fwd', (dtype) => linear(dtype)),
  ...perFormat('linearGlu_fwd', linearGlu),
  ...perFormat('embedding_fwd', embedding),
  ...perForm('nn'),
  ...perForm('nt'),
  ...perForm('tn'),
  ...perForm('tt'),
  rmsNorm_fwd_f32: {
    sizes: (lanes) =>
      strided(
        mixed(14, { rows: counts, groups: [1, 3], cols: around(lanes) }),
        ({ groups, cols }) => groups! * cols!,
        'xRow',
        'yRow',
      ),
    attributes: { eps: 1e-5 },
    compute: ({ x, gain }, _dims, { eps }) => ({ y: normalise(x!, gain!, eps!) }),
    epsilons: 8,
  },
  layerNorm_fwd_f32: {
    // A row of one number is its own mean; what is left of it is a rounding.
    sizes: (lanes) =>
      strided(
        mixed(14, { rows: counts, groups: [1, 3], cols: around(lanes).slice(1) }),
        ({ groups, cols }) => groups! * cols!,
        'xRow',
        'yRow',
      ),
    attributes: { eps: 1e-5 },
    fill: {
      bias: ({ rows, cols }, random) => (rows! % 2 ? null : Array.from({ length: cols! }, () => random.normal())),
    },
    compute: ({ x, gain, bias }, { cols }, { eps }) => ({
      y: eachRow(x!, cols!, (row) => {
        const mean = row.reduce((sum, v) => sum + v, 0) / cols!
        const centred = row.map((v) => v - mean)
        const root = Math.sqrt(centred.reduce((sum, v) => sum + v * v, 0) / cols! + eps!)
        return centred.map((v, i) => (v * gain![i]!) / root + (bias ? bias[i]! : 0))
      }),
    }),
    epsilons: 8,
  },
  l2Norm_fwd_f32: {
    sizes: (lanes) =>
      strided(
        mixed(14, { rows: counts, groups: [1, 3], cols: around(lanes) }),
        ({ groups, cols }) => groups! * cols!,
        'xRow',
        'yRow',
      ),
    attributes: { eps: 1e-6 },
    compute: ({ x }, { cols }, { eps }) => ({
      y: eachRow(x!, cols!, (row) => {
        const length = Math.hypot(...row, Math.sqrt(eps!))
        return row.map((value) => value / length)
      }),
    }),
    epsilons: 8,
  },
  residualRmsNorm_fwd_f32: {
    sizes: (lanes) => mixed(14, { rows: counts, cols: around(lanes) }),
    attributes: { eps: 1e-5 },
    compute({ x, delta, gain }, _dims, { eps }) {
      const sum = x!.map((value, i) => value + delta![i]!)
      return { sum, y: normalise(sum, gain!, eps!) }
    },
    epsilons: 8,
  },
  ropeTable_fwd_f32: {
    sizes: () => mixed(6, { tokens: [1, 5], pairs: [1, 5, 64] }),
    attributes: { theta: 500000, scale: 0.25, magnitude: 1.25 },
    fill: {
      positions: ({ tokens }, random) => Array.from({ length: tokens! }, () => random.whole(100000)),
      factors: ({ tokens, pairs }) => (tokens === 1 ? null : Array.from({ length: pairs! }, (_, i) => 1 + i)),
    },
    compute({ positions, factors }, { tokens, pairs }, { theta, scale, magnitude }) {
      const table = new Float64Array(tokens! * 2 * pairs!)
      for (let i = 0; i < table.length; i++) {
        const pair = i % pairs!
        const t = Math.floor(i / (2 * pairs!))
        const angle = (positions![t]! * scale! * theta! ** (-pair / pairs!)) / (factors?.[pair] ?? 1)
        table[i] = magnitude! * (Math.floor(i / pairs!) % 2 ? Math.sin(angle) : Math.cos(angle))
      }
      return { table }
    },
    epsilons: 1,
  },
  rope_fwd_split_f32: rope(
    (i) => i,
    (i, pairs) => i + pairs,
  ),
  rope_fwd_pairwise_f32: rope(
    (i) => 2 * i,
    (i) => 2 * i + 1,
  ),
  cacheKeys_fwd_f32: cacheWrite('f32'),
  cacheKeys_fwd_f16: cacheWrite('f16'),
  cacheKeys_fwd_q8_0: cacheWrite('q8_0'),
  cacheValues_fwd_f32: cacheWrite('f32'),
  cacheValues_fwd_f16: cacheWrite('f16'),
  cacheValues_fwd_q8_0: cacheWrite('q8_0'),
  attention_fwd_f32: attention('f32'),
  attention_fwd_f16: attention('f16'),
  attention_fwd_q8_0: attention('q8_0'),
  attentionSegments_fwd_f32: attentionSegments('f32'),
  attentionSegments_fwd_f16: attentionSegments('f16'),
  attentionSegments_fwd_q8_0: attentionSegments('q8_0'),
  attentionMerge_fwd_f32: attentionMerge,
  quantize_fwd_a8: {
    sizes: () =>
      strided(mixed(12, { tokens: counts, cols: [32, 96, 512] }), ({ cols }) => cols!, 'xRow').map((dims, i) => ({
        ...dims,
        pieces: i % 2 === 0 ? 1 : dims.cols! / 32,
      })),
    fill: { x: blocksToQuantise },
    compute({ x }, { tokens, cols }) {
      const y = new Uint8Array((tokens! * cols! * 48) / 32)
      const view = new DataView(y.buffer)
      for (let block = 0; block < (tokens! * cols!) / 32; block++)
        quantiseBlock(x!.subarray(32 * block, 32 * block + 32), view, 48 * block)
      return { y }
    },
    epsilons: 0,
  },
  glu_fwd_f32: {
    ...pointwise(() => 0, 'gate', 'up', 8),
    attributes: eachActivation,
    compute: ({ gate, up }, _dims, { activation }) => ({
      y: gate!.map((value, i) => activate(activation!)(value) * up![i]!),
    }),
  },
  add_fwd_f32: pointwise((x, z) => Math.fround(x + z), 'x', 'z', 0),
  multiply_fwd_f32: pointwise((x, z) => Math.fround(x * z), 'x', 'z', 0),
  activate_fwd_f32: {
    sizes: (lanes) => rowsOf(lanes),
    attributes: eachActivation,
    compute: ({ x }, _dims, { activation }) => ({ y: x!.map(activate(activation!)) }),
    epsilons: 8,
  },
  sigmoid_fwd_f32: {
    sizes: (lanes) => rowsOf(lanes),
    compute: ({ x }) => ({ y: x!.map((v) => 1 / (1 + Math.exp(-v))) }),
    epsilons: 8,
  },
  decayGate_fwd_f32: {
    sizes: (lanes) => rowsOf(lanes),
    fill: {
      // Where softplus is nothing, where it is its argument, and between.
      x: ({ rows, cols }, random) =>
        Array.from({ length: rows! * cols! }, (_, i) => random.normal() * [1, 30, 5][i % 3]!),
      rate: ({ cols }, random) => Array.from({ length: cols! }, () => -Math.exp(random.normal() - 1)),
    },
    compute: ({ x, rate, bias }, { cols }) => ({
      y: x!.map((value, i) => {
        const v = value + bias![i % cols!]!
        return Math.exp(rate![i % cols!]! * (v > 0 ? v + Math.log1p(Math.exp(-v)) : Math.log1p(Math.exp(v))))
      }),
    }),
    epsilons: 16,
  },
  gatedRmsNorm_fwd_f32: {
    sizes: (lanes) =>
      strided(
        mixed(14, { rows: counts, groups: [1, 3], cols: around(lanes) }),
        ({ groups, cols }) => groups! * cols!,
        'xRow',
        'gateRow',
        'yRow',
      ),
    attributes: { eps: 1e-5 },
    compute: ({ x, gate, gain }, _dims, { eps }) => ({
      y: normalise(x!, gain!, eps!).map((value, i) => value * activationOf.silu(gate![i]!)),
    }),
    epsilons: 16,
  },
  causalConvolution_fwd_f32: causalConvolution,
  deltaRule_fwd_f32: deltaRule,
  sliceHeads_fwd_f32: {
    sizes: () =>
      strided(
        strided(
          mixed(8, { rows: counts, heads: [1, 3, 2], width: [1, 5, 8], wide: [8, 13] }),
          ({ heads, wide }) => heads! * wide!,
          'xRow',
        ),
        ({ heads, width }) => heads! * width!,
        'yRow',
      ),
    attributes: ({ wide, width }) => ({ from: wide! - width! }),
    compute: ({ x }, { width, wide }) => ({ y: x!.filter((_, i) => i % wide! >= wide! - width!) }),
    epsilons: 0,
  },
  scale_fwd_f32: {
    sizes: (lanes) => rowsOf(lanes),
    attributes: { factor: 0.75 },
    compute: ({ x }) => ({ y: x!.map((value) => 0.75 * value) }),
    epsilons: 1,
  },
  softCap_fwd_f32: {
    sizes: (lanes) => rowsOf(lanes),
    attributes: { cap: 0.8 },
    compute: ({ x }) => ({ y: x!.map((value) => 0.8 * Math.tanh(value / 0.8)) }),
    epsilons: 4,
  },
  softmax_fwd_f32: {
    sizes: (lanes) => rowsOf(lanes),
    compute: ({ x }, { cols }) => ({
      y: eachRow(x!, cols!, (row) => {
        const most = Math.max(...row)
        const total = row.reduce((sum, value) => sum + Math.exp(value - most), 0)
        return row.map((value) => Math.exp(value - most) / total)
      }),
    }),
    epsilons: 8,
  },
  copy_fwd_f32: { sizes: (lanes) => rowsOf(lanes), compute: ({ x }) => ({ y: x! }), epsilons: 0 },
  meanRows_fwd_f32: {
    sizes: (lanes) => strided(mixed(14, { rows: [1, 2, 5, 70], cols: around(lanes) }), ({ cols }) => cols!, 'xRow'),
    compute: ({ x }, { rows, cols }) => ({
      y: Float64Array.from({ length: cols! }, (_, c) => {
        let sum = 0
        for (let r = 0; r < rows!; r++) sum += x![r * cols! + c]!
        return sum / rows!
      }),
    }),
    // A sum may cancel.
    epsilons: 32,
  },
  takeRows_fwd_f32: {
    sizes: (lanes) =>
      strided(mixed(8, { rows: [1, 5, 9], outputs: counts, cols: around(lanes) }), ({ cols }) => cols!, 'xRow'),
    fill: { index: below('rows', 'outputs') },
    compute: ({ x, index }, { cols }) => ({ y: take(x!, index!, cols!) }),
    epsilons: 0,
  },
}
