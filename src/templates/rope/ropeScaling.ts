import type { ConfigReader } from '../configReader.ts'
import { type RopeScaling, ropeVariants } from './ropeVariants.ts'

/** Rotary position embedding of some layers: see the ops ropeTable and rope. */
export interface RopeConfig extends RopeScaling {
  readonly style: 'split' | 'pairwise'
  readonly pairs: number
  readonly theta: number
}

/** Turns of `pairs` pairs of a head's columns without any scaling. */
export function plainRope(
  style: RopeConfig['style'],
  pairs: number,
  theta: number,
  headDim: number = 2 * pairs,
): RopeConfig {
  const parameters = { rope_type: 'default', rope_theta: theta, ...shareOf(pairs, headDim) }
  return { style, pairs, theta, scale: 1, magnitude: 1, divisors: [], metadata: {}, parameters }
}

/** The key of config.json by which only a part of a head turns. */
function shareOf(pairs: number, headDim: number): RopeScaling['parameters'] {
  if (2 * pairs === headDim) return {}
  const share = (2 * pairs) / headDim
  // Readers cut the product to a whole number, which rounding may have brought below the one that is meant.
  return { partial_rotary_factor: Math.trunc(headDim * share) === 2 * pairs ? share : (2 * pairs + 0.25) / headDim }
}

const { default: none, linear, yarn, longrope } = ropeVariants

/** The kinds that GGUF has names for. */
const ggufVariants = { none: none.fromGguf, linear: linear.fromGguf, yarn: yarn.fromGguf, longrope: longrope.fromGguf }

/** Rope of a GGUF checkpoint. Refuses a kind of scaling that it does not name. */
export function ropeFromGguf(
  read: ConfigReader,
  style: RopeConfig['style'],
  headDim: number,
  trained: number,
): RopeConfig {
  const dimensions = read.count('rope.dimension_count', headDim)
  if (dimensions % 2 !== 0 || dimensions > headDim) {
    read.refuse('rope.dimension_count', dimensions, `an even number up to ${headDim}, the width of a head`)
  }
  const base = { pairs: dimensions / 2, theta: read.positive('rope.freq_base', 10000), trained }
  const unnamed = read.shapeOf('rope_factors_long.weight')
    ? 'longrope'
    : read.has('rope.scale_linear')
      ? 'linear'
      : 'none'
  const type = read.choice('rope.scaling.type', ['none', 'linear', 'yarn', 'longrope'], unnamed)
  const { pairs, theta } = base
  const scaling = sound(read, 'rope.scaling.type', type, ggufVariants[type](read, base))
  const parameters = { ...scaling.parameters, rope_theta: theta, ...shareOf(pairs, headDim) }
  return { style, pairs, theta, ...scaling, parameters }
}

/** What families differ in. */
export interface RopeHabits {
  /** Names of kinds that this family accepts, with those that it has other names for. Default: all by their own names. */
  readonly kinds?: Readonly<Record<string, keyof typeof ropeVariants>>
  /** The family turns only the part of a head that `partial_rotary_factor` asks for; the others turn all of it. */
  readonly isPartial?: true
  /** The object in config.json, where it is not the one for all layers: `rope_parameters.full_attention`. */
  readonly group?: string
}

/**
 * Rope of config.json: `rope_parameters`, or `rope_theta` and `rope_scaling` of versions before 5, which stands above the
 * other where both are there. Always split style. Refuses a kind of scaling that the family does not have.
 */
export function ropeFromTransformers(
  read: ConfigReader,
  headDim: number,
  trained: number,
  { kinds = ownNames, isPartial, group = defaultGroup(read) }: RopeHabits = {},
): RopeConfig {
  read.object(group)
  const typeKey = read.has(`${group}.rope_type`) ? `${group}.rope_type` : `${group}.type`
  const type = read.choice(typeKey, Object.keys(kinds), 'default')
  const theta = read.positive(read.has(`${group}.rope_theta`) ? `${group}.rope_theta` : 'rope_theta', 10000)
  const turned = isPartial ? turnedWidth(read, group, headDim) : headDim
  if (!isPartial) {
    read.only('partial_rotary_factor', 1)
    read.only(`${group}.partial_rotary_factor`, 1)
    if (headDim % 2 !== 0) read.refuse('head_dim', headDim, 'an even number')
  }
  const pairs = Math.ceil(turned / 2)
  // Of an odd width the last pair reaches one element further, and the exponents stay those of the width.
  const base = { pairs, theta: turned % 2 === 0 ? theta : theta ** ((2 * pairs) / turned), trained }
  const scaling = sound(read, typeKey, type, ropeVariants[kinds[type]!].fromTransformers(read, group, base))
  const share = isPartial ? { partial_rotary_factor: turnedShare(read, group) } : {}
  const parameters = { ...scaling.parameters, rope_theta: theta, ...share }
  return { style: 'split', pairs, theta: base.theta, ...scaling, parameters }
}

/** Refuses numbers that each are accepted and together give no finite turns. */
function sound(read: ConfigReader, key: string, type: string, scaling: RopeScaling): RopeScaling {
  const numbers = [scaling.scale, scaling.magnitude, ...scaling.divisors.flatMap(({ values = [] }) => values)]
  if (numbers.every((value) => Number.isFinite(value) && value > 0)) return scaling
  return read.refuse(key, type, 'a base, a factor and lengths of context that give finite turns')
}

const ownNames: Readonly<Record<string, keyof typeof ropeVariants>> = {
  default: 'default',
  linear: 'linear',
  dynamic: 'dynamic',
  llama3: 'llama3',
  yarn: 'yarn',
  longrope: 'longrope',
}

function defaultGroup(read: ConfigReader): string {
  return read.object('rope_scaling') ? 'rope_scaling' : 'rope_parameters'
}

/** Columns of a head that turn; the odd one takes a neighbour along. */
function turnedWidth(read: ConfigReader, group: string, headDim: number): number {
  const share = turnedShare(read, group)
  const turned = Math.trunc(headDim * share)
  const accepted = `a share of the ${headDim} columns of a head that is at least 1 and, made even, at most all of them`
  if (turned < 1 || 2 * Math.ceil(turned / 2) > headDim) read.refuse('partial_rotary_factor', share, accepted)
  return turned
}

function turnedShare(read: ConfigReader, group: string): number {
  const key = 'partial_rotary_factor'
  return read.positive(read.has(`${group}.${key}`) ? `${group}.${key}` : key, 1)
}
