import { beforeAll, describe, expect, it } from 'vitest'
import {
  selfAttentionBackward,
  selfAttentionBackwardRoom,
  selfAttentionForward,
  selfAttentionRoom,
} from '../../src/kernels/selfattention/selfattention.kernel.ts'
import { attention } from '../../src/ops/attention.ts'
import { attentionBackward } from '../../src/ops/attentionBackward.ts'
import { openKernels } from './buildKernels.ts'
import type { KernelRunner } from './kernelCall.ts'
import { kernelTargets } from './kernelTargets.ts'
import { seededRandom } from './random.ts'

const [heads, kvHeads, width] = [4, 2, 10]
const [qRow, kvRow] = [heads * width, kvHeads * width]
const scale = 0.25
const names = ['y', 'dq', 'dk', 'dv'] as const

/** Rows of tokens: their queries, keys, values and gradients of y, and where their documents begin. */
interface Rows {
  readonly q: Float32Array
  readonly k: Float32Array
  readonly v: Float32Array
  readonly dy: Float32Array
  readonly starts: Int32Array | null
}

type Results = { readonly [N in (typeof names)[number]]: Float32Array }

const floats = (bytes: Uint8Array) => new Float32Array(bytes.slice().buffer)
const bytes = (values: Float32Array | Int32Array) => new Uint8Array(values.slice().buffer)

function randomRows(tokens: number, starts: readonly number[] | null): Rows {
  const random = seededRandom(tokens)
  const normal = (count: number) => Float32Array.from({ length: count }, () => random.normal())
  const [q, k, v, dy] = [normal(tokens * qRow), normal(tokens * kvRow), normal(tokens * kvRow), normal(tokens * qRow)]
  return { q, k, v, dy, starts: starts && Int32Array.from(starts) }
}

/** Tokens [from, to) as rows of their own. */
function part({ q, k, v, dy, starts }: Rows, from: number, to: number): Rows {
  const of = (values: Float32Array, row: number) => values.slice(from * row, to * row)
  const own = starts ? starts.slice(from, to).map((start) => start - from) : null
  return { q: of(q, qRow), k: of(k, kvRow), v: of(v, kvRow), dy: of(dy, qRow), starts: own }
}

/** The results of rows of `length` tokens through both kernels. */
function run(runner: KernelRunner, rows: Rows, length: number, causal = true, parts = 1): Results {
  const tokens = rows.q.length / qRow
  const dims = {
    tokens,
    batch: Math.ceil(tokens / length),
    length,
    heads,
    kvHeads,
    width,
    qRow,
    kRow: kvRow,
    vRow: kvRow,
  }
  const attributes = { window: 0, causal: causal ? 1 : 0, scale, softCap: 0 }
  const starts = rows.starts && bytes(rows.starts)
  const inputs = { q: bytes(rows.q), k: bytes(rows.k), v: bytes(rows.v), starts }
  const [forward] = runner.run([
    {
      kernel: selfAttentionForward,
      dims: { ...dims, room: parts * selfAttentionRoom(length, width), yRow: qRow },
      ...{ attributes, buffers: inputs, parts },
    },
  ])
  const { y } = forward!.buffers as { y: Uint8Array }
  const [backward] = runner.run([
    {
      kernel: selfAttentionBackward,
      dims: { ...dims, room: parts * selfAttentionBackwardRoom(length, width, false), yRow: qRow, dyRow: qRow },
      ...{ attributes, buffers: { ...inputs, y, dy: bytes(rows.dy) }, parts },
    },
  ])
  const all: { readonly [name: string]: Uint8Array } = { ...backward!.buffers, y }
  return Object.fromEntries(names.map((name) => [name, floats(all[name]!)])) as unknown as Results
}

/** The same by the definition. */
function defined(rows: Rows, length: number, causal: boolean) {
  const tokens = rows.q.length / qRow
  const of = (values: Float32Array, count: number) => ({
    shape: [tokens, count, width],
    data: Float64Array.from(values),
  })
  const starts = rows.starts ? { starts: { shape: [tokens], data: Float64Array.from(rows.starts) } } : {}
  const inputs = { q: of(rows.q, heads), k: of(rows.k, kvHeads), v: of(rows.v, kvHeads), ...starts } as never
  const { y } = attention.reference!(inputs, { scale, causal, length })
  const dy = of(rows.dy, heads)
  return { y, ...attentionBackward.reference!({ ...(inputs as object), y, dy } as never, { scale, causal, length }) }
}

function expectSame(found: Results, expected: Results, what: string) {
  for (const name of names) expect(Buffer.compare(bytes(found[name]), bytes(expected[name])), `${name} ${what}`).toBe(0)
}

/** The results of several calls one behind the other. */
function joined(results: readonly Results[]): Results {
  const join = (name: (typeof names)[number]) => Float32Array.from(results.flatMap((result) => [...result[name]]))
  return { y: join('y'), dq: join('dq'), dk: join('dk'), dv: join('dv') }
}

for (const target of kernelTargets.filter(({ name, only }) => !only && !/sanitizers/.test(name))) {
  const title = `attention without a cache on ${target.name}${target.missing ? ` (${target.missing})` : ''}`
  describe.skipIf(target.missing)(title, () => {
    let runner: KernelRunner

    beforeAll(async () => {
      runner = await openKernels(target)
    })

    it.each([15, 16, 17, 63, 64, 65, 127, 129])('keeps to its definition in rows of %i tokens', (length) => {
      for (const causal of [true, false]) {
        const rows = randomRows(2 * length, null)
        const [found, expected] = [run(runner, rows, length, causal), defined(rows, length, causal)]
        for (const name of names) {
          const { data } = expected[name]
          const squares = data.reduce((sum, value) => sum + value ** 2, 0)
          const errors = data.reduce((sum, value, i) => sum + (value - found[name][i]!) ** 2, 0)
          expect(errors / squares, `${name}, causal ${causal}`).toBeLessThan(1e-12)
        }
      }
    })

    it('gives every row of a batch the bits that it has alone, with starts and without, in any parts', () => {
      const length = 70
      const plain = randomRows(3 * length, null)
      const alone = joined([0, 1, 2].map((row) => run(runner, part(plain, row * length, (row + 1) * length), length)))
      const starts = Int32Array.from({ length: 3 * length }, (_, t) => t - (t % length))
      for (const parts of [1, 2, 4]) {
        expectSame(run(runner, plain, length, true, parts), alone, `${parts} parts`)
        expectSame(run(runner, { ...plain, starts }, length, true, parts), alone, `${parts} parts, with starts`)
      }
    })

    it.each([true, false])('gives documents that share a row the bits that they have alone, causal %s', (causal) => {
      const ends = [1, 18, 34, 97, 98, 170, 200]
      const begins = [0, ...ends.slice(0, -1)]
      const starts = begins.flatMap((begin, i) => Array.from({ length: ends[i]! - begin }, () => begin))
      const rows = randomRows(200, starts)
      const alone = begins.map((begin, i) => run(runner, part(rows, begin, ends[i]!), ends[i]! - begin, causal))
      expectSame(run(runner, rows, 200, causal), joined(alone), 'together')
      expectSame(run(runner, rows, 200, causal, 3), joined(alone), 'together in three parts')
    })

    it('gives a last row of the batch that is shorter its own results', () => {
      const rows = randomRows(100, null)
      const alone = [part(rows, 0, 64), part(rows, 64, 100)].map((own) => run(runner, own, 64))
      expectSame(run(runner, rows, 64), joined(alone), 'together')
    })
  })
}
