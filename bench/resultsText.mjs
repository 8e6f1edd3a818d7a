// The sections of bench/RESULTS.md from what bench/results.mjs has measured: equal results give equal text.

/** @typedef {{ min: number, median: number, max: number }} Spread */
/** @typedef {{ best: number, mean: number }} Rate */
/** @typedef {{ one: Rate, all: Rate }} Rates */
/**
 * @typedef {object} Row A result of `ck bench --json`.
 * @property {string} format
 * @property {'prefill' | 'decode'} kind
 * @property {number} threads
 * @property {number} depth
 * @property {number} tokens
 * @property {Spread} tokensPerSecond
 * @property {number} bytesPerToken
 * @property {{ readBytesPerSecond: Rate | null, operationsPerSecond: Rate | null }} limits
 * @property {number | null} bandwidthFraction
 * @property {number | null} peakFraction
 */
/**
 * @typedef {object} Product A row of `node bench/matmul.mjs --json`.
 * @property {string} form what is multiplied: dtype and transposes
 * @property {number} m
 * @property {number} n
 * @property {number} k
 * @property {number} threads
 * @property {number} gflops
 * @property {number} peakFraction of what as many threads can do at most, in the same run
 */
/**
 * @typedef {object} Results
 * @property {string} shape
 * @property {{ prompt: number, decode: number, repeat: number, depths: readonly number[] }} size
 * @property {any} doctor what `ck doctor --json` prints; undefined where it failed
 * @property {readonly (Row & { peer: string, versus: { tokensPerSecond: Spread, ratio: Spread } })[]} versus
 * @property {readonly Row[]} depths
 * @property {readonly Product[]} products
 * @property {readonly { row: string, reason: string }[]} failures
 */

/** @param {readonly string[]} head @param {readonly (readonly string[])[]} rows */
function table(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

const giga = (/** @type {number} */ value) => (value / 1e9).toFixed(1)
const percent = (/** @type {number | null} */ value) => (value === null ? '–' : `${(100 * value).toFixed(0)} %`)
/** A share and the limit that it is of, in thousands of millions per second. @param {number | null} fraction @param {Rate | null} limit */
const share = (fraction, limit) => (limit === null ? '–' : `${percent(fraction)} of ${rateText(limit)}`)
const rateText = (/** @type {Rate} */ { best, mean }) => `${giga(mean)} (${giga(best)})`
const spread = (/** @type {Spread} */ { min, max }, /** @type {number} */ digits) =>
  `${min.toFixed(digits)} – ${max.toFixed(digits)}`

/** @param {any} doctor */
function printMachine(doctor) {
  if (!doctor) return 'Machine: unknown, see below.\n'
  const { machine, target, compiler, measured, system } = doctor
  const caches = machine.caches.map((/** @type {any} */ { level, kind, bytes }) => `L${level} ${kind} ${bytes / 1024} KiB`)
  const line = `Machine: ${machine.model}, ${machine.cores} cores, ${caches.join(', ')}; target ${target.name}; ${compiler.version}; Node ${system.node}.`
  if (measured.status !== 'done') return `${line}\nLimits: not measured (${measured.reason}).\n`
  const row = (/** @type {string} */ name, /** @type {Rates} */ rates) => [name, rateText(rates.one), rateText(rates.all)]
  return `${line}\n\n${table(
    ['what it can do in the mean, and at best (`ck doctor`)', '1 thread', `${machine.cores} threads`],
    [
      row('read, GB/s', measured.readBytesPerSecond),
      row('int8, GOP/s', measured.int8PerSecond),
      row('f32, GFLOP/s', measured.f32PerSecond),
    ],
  )}`
}

/** @param {Results['versus']} rows */
function printVersus(rows) {
  const [first] = rows
  if (!first) return 'No row.\n'
  return table(
    ['format', 'threads', '', 'ours, tokens/s', `${first.peer}`, 'ratio', 'min – max', 'of read, GB/s', 'of peak, GOP/s'],
    rows.map((row) => [
      ...[row.format, String(row.threads), `${row.kind} ${row.tokens}`],
      ...[row.tokensPerSecond.median.toFixed(1), row.versus.tokensPerSecond.median.toFixed(1)],
      ...[row.versus.ratio.median.toFixed(2), spread(row.versus.ratio, 2)],
      share(row.bandwidthFraction, row.limits.readBytesPerSecond),
      share(row.peakFraction, row.limits.operationsPerSecond),
    ]),
  )
}

/** @param {readonly Row[]} rows */
function printDepths(rows) {
  if (rows.length === 0) return 'No row.\n'
  const empty = (/** @type {Row} */ { threads }) =>
    rows.find((row) => row.threads === threads && row.depth === 0)?.tokensPerSecond.median
  return table(
    ['format', 'threads', 'depth', 'tokens/s', 'min – max', 'of the empty cache', 'MB per token', 'of read, GB/s'],
    rows.map((row) => {
      const rate = empty(row)
      return [
        ...[row.format, String(row.threads), String(row.depth)],
        ...[row.tokensPerSecond.median.toFixed(1), spread(row.tokensPerSecond, 1)],
        percent(rate === undefined ? null : row.tokensPerSecond.median / rate),
        (row.bytesPerToken / 1e6).toFixed(0),
        share(row.bandwidthFraction, row.limits.readBytesPerSecond),
      ]
    }),
  )
}

/** The section of products. @param {readonly Product[]} rows @param {string} code */
export function printProducts(rows, code) {
  const products = table(
    ['form', 'm × n × k', 'threads', 'GFLOP/s', 'of peak'],
    rows.map(({ form, m, n, k, threads, gflops, peakFraction }) => [
      ...[form, `${m} × ${n} × ${k}`, String(threads), gflops.toFixed(1), percent(peakFraction)],
    ]),
  )
  return `### Matrix products\n\n${code}\n\n${products}`
}

/**
 * What stands before the sections: the machine and what failed. `shape`: of the models.
 * @param {Results} results
 */
export function printHead({ shape, doctor, failures }) {
  const failed = failures.map(({ row, reason }) => `- ${row}: ${reason}\n`).join('')
  return `Models are random weights in the shape of ${shape} (\`ck synth\`).\n\n${printMachine(doctor)}${failed && `\nNot measured:\n\n${failed}`}`
}

/**
 * The sections that have rows. `code`: which one was measured.
 * @param {Results} results
 * @param {string} code
 */
export function printSections({ size, versus, depths, products }, code) {
  return [
    `### Beside llama.cpp\n\n${code} In turns in one process (ours, theirs, ours, …), ${size.repeat} rounds; rates are medians, a ratio is of the two that
ran one after the other. "Of read" and "of peak" are our shares of the machine's bandwidth and peak (int8; f32 for f16 and
bf16), measured for a quarter of a second before every prefill and every 16 decoded tokens of ours: the median share of
what was sustained then, that rate, and in parentheses the best 30 milliseconds of it.\n\n${printVersus(versus)}`,
    `### Decode behind a filled cache\n\n${code} ${size.decode} tokens behind each depth, ${size.repeat} rounds.\n\n${printDepths(depths)}`,
    ...(products.length > 0 ? [printProducts(products, code)] : []),
  ]
}
