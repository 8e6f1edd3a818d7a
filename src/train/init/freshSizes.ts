import type { FreshHabits, FreshSizes } from '../../templates/fresh.ts'

/** Sizes of a fresh model as one gives them; what is left out follows from the others and the family. */
export interface ModelShape {
  /** Tokens of the vocabulary. */
  readonly vocab: number
  /** Width of the stream (`hidden_size`). Default: `hidden` where that is given, else 256. */
  readonly dim?: number
  /** Default 4. */
  readonly layers?: number
  /** Width of the feed-forward (`intermediate_size`). Default: the family's multiple of `dim`. */
  readonly hidden?: number
  /** Default: heads of 64 columns, or so. */
  readonly heads?: number
  /** Heads of keys and values. Default: half of `heads` where it is even, else all. */
  readonly kvHeads?: number
  /** Columns of a head. Default: `dim / heads`. */
  readonly headDim?: number
  /** Tokens that the model is made for. Default 512. */
  readonly contextLen?: number
  /** The head shares the embedding's weights. Default: as the family. */
  readonly tied?: boolean
  /** Base of the rotation. Default: the family's. */
  readonly theta?: number
  /** Added to squares before their root in norms. Default: the family's. */
  readonly eps?: number
  /** Tokens that layers with a window read back. Default: the family's. */
  readonly window?: number
}

/** Refuses the value of a key. */
export type RefuseSize = (key: keyof ModelShape, found: string, accepted: string) => never

const widest = 2 ** 24
const usualHead = 64

/** Completes sizes by what the family has, and checks them against each other. */
export function freshSizes(shape: ModelShape, usual: FreshHabits, refuse: RefuseSize): FreshSizes {
  const whole = (key: keyof ModelShape, value: number, most = widest): number =>
    Number.isInteger(value) && value >= 1 && value <= most
      ? value
      : refuse(key, String(value), `a whole number from 1 to ${most}`)
  const positive = (key: keyof ModelShape, value: number): number =>
    Number.isFinite(value) && value > 0 ? value : refuse(key, String(value), 'a number above 0')
  const dim = whole('dim', shape.dim ?? shape.hidden ?? 256)
  const unit = usual.headUnit ?? 2
  const heads = whole('heads', shape.heads ?? usualHeads(dim, unit, shape), 4096)
  const headDim = headWidth(shape, usual, dim, heads, refuse)
  const kvHeads = whole('kvHeads', shape.kvHeads ?? (usual.isPlain || heads % 2 !== 0 ? heads : heads / 2), 4096)
  if (usual.isPlain && kvHeads !== heads)
    refuse('kvHeads', String(kvHeads), `${heads}, as many as heads, in this family`)
  if (heads % kvHeads !== 0) refuse('kvHeads', String(kvHeads), `a divisor of the ${heads} heads`)
  if (shape.theta !== undefined && usual.theta === undefined)
    refuse('theta', String(shape.theta), 'nothing: this family learns its positions')
  if (shape.window !== undefined && usual.window === undefined)
    refuse('window', String(shape.window), 'nothing: this family has no windows')
  const window = shape.window ?? usual.window ?? 0
  return {
    vocabulary: whole('vocab', shape.vocab),
    context: whole('contextLen', shape.contextLen ?? 512),
    layers: whole('layers', shape.layers ?? 4, 1024),
    dim,
    ffn: whole('hidden', shape.hidden ?? Math.max(1, Math.round(dim * usual.ffn))),
    heads,
    kvHeads,
    headDim,
    eps: positive('eps', shape.eps ?? usual.eps),
    tied: shape.tied ?? usual.tied,
    theta: positive('theta', shape.theta ?? usual.theta ?? 10000),
    window: window === 0 ? 0 : whole('window', window),
  }
}

/** As many heads as make them as wide as is usual, or somewhat wider. */
function usualHeads(dim: number, unit: number, { headDim, kvHeads }: ModelShape): number {
  const least = kvHeads ?? 1
  if (headDim !== undefined) return Math.max(Math.floor(dim / headDim / least), 1) * least
  const most = Math.max(Math.round(dim / usualHead), least)
  for (let heads = most; heads > 1; heads--)
    if (dim % heads === 0 && heads % least === 0 && (dim / heads) % unit === 0) return heads
  return least
}

function headWidth(
  { headDim: given }: ModelShape,
  { isPlain, headUnit = isPlain ? 1 : 2 }: FreshHabits,
  dim: number,
  heads: number,
  refuse: RefuseSize,
): number {
  const isDivided = dim % heads === 0
  if (isPlain) {
    if (!isDivided) refuse('heads', String(heads), `a divisor of dim, which is ${dim}`)
    if (given !== undefined && given !== dim / heads) refuse('headDim', String(given), `${dim / heads}, dim / heads`)
    return dim / heads
  }
  if (given === undefined && !isDivided)
    refuse('heads', String(heads), `a divisor of dim, which is ${dim}, or a headDim beside it`)
  const headDim = given ?? dim / heads
  if (Number.isInteger(headDim) && headDim >= headUnit && headDim <= 65536 && headDim % headUnit === 0) return headDim
  const accepted = `a multiple of ${headUnit} up to 65536`
  return given === undefined
    ? refuse('heads', String(heads), `as many that dim / heads, here ${headDim}, is ${accepted}`)
    : refuse('headDim', String(given), accepted)
}
