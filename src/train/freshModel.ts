import { createHash } from 'node:crypto'
import { fail } from '../base/errors.ts'
import type { Checkpoint, Json, TensorRecord } from '../formats/checkpoint.ts'
import type { FreshSizes, Initial } from '../templates/fresh.ts'
import { templates } from '../templates/readModel.ts'
import type { Template, WeightSpec } from '../templates/template.ts'
import { type TransformersModel, transformersModel, type WeightValues } from '../templates/transformersModel.ts'
import { type FolderExtras, writeTransformers } from '../templates/writeTransformers.ts'
import { nearestOf } from './config/nearest.ts'
import { freshSizes, type ModelShape, type RefuseSize } from './init/freshSizes.ts'
import { type InitMethodName, initMethods } from './init/initMethods.ts'
import { fillSeeded } from './init/seededValues.ts'

/** How the matrices of a fresh model are drawn. */
export interface ModelInit {
  /** Default: normal. */
  readonly method?: InitMethodName
  /** Deviation of `normal` and `truncated_normal`. Default: the family's. */
  readonly deviation?: number
  /** Same seed, same weights. Default 1. */
  readonly seed?: bigint | number
}

/** A model that was never trained: its place in the table of families, its sizes, and its weights on demand. */
export interface FreshModel extends TransformersModel {
  readonly template: string
  readonly sizes: FreshSizes
  readonly deviation: number
  /** Elements of all tensors. */
  readonly parameters: number
  readonly valuesOf: WeightValues
}

/** The families of which fresh models are made. */
export const freshFamilies: readonly string[] = templates.filter(({ fresh }) => fresh).map(({ name }) => name)

const mostElements = 2 ** 31

const refuseOption: RefuseSize = (option, found, accepted) => fail('option_invalid', { option, found, accepted })

/**
 * A model of a family with random weights, as its reference begins them: vectors of norms 1 (stored as the family stores
 * them), biases 0, matrices by `init`. The same arguments give the same bits everywhere. Refuses `option_invalid`, or as
 * `refuse` says.
 */
export function makeFreshModel(
  family: string,
  shape: ModelShape,
  { method = 'normal', deviation, seed = 1 }: ModelInit = {},
  refuse: RefuseSize = refuseOption,
): FreshModel {
  const template = findFamily(family)
  const { usual, config: configOf, initial } = template.fresh!
  const sizes = freshSizes(shape, usual, refuse)
  const config = configOf(sizes)
  const model = transformersModel(template, config, () => [])
  const elements = model.tensors.map((tensor) => tensor.shape.reduce((product, size) => product * size, 1))
  if (elements.some((count) => count > mostElements))
    refuse('dim', String(sizes.dim), `sizes of which no tensor has more than ${mostElements} elements`)
  const spread = deviation ?? usual.deviation ?? 0.02
  const specs = new Map(template.weights(config).map((spec) => [spec.name, spec]))
  return {
    ...model,
    config: { ...model.config, initializer_range: spread },
    template: template.name,
    sizes,
    deviation: spread,
    parameters: elements.reduce((sum, count) => sum + count, 0),
    valuesOf(weight) {
      const spec = specs.get(weight)!
      return drawWeight(spec, initial?.(weight, config) ?? usualInitial(spec), BigInt(seed), (rows, cols) =>
        initMethods[method].draw(rows, cols, spread),
      )
    },
  }
}

function findFamily(name: string): Template {
  const template = templates.find((candidate) => candidate.name === name && candidate.fresh)
  return (
    template ?? fail('option_invalid', { option: 'template', found: name, accepted: nearestOf(name, freshFamilies) })
  )
}

function usualInitial({ name, shape }: WeightSpec): Initial {
  if (shape.length > 1) return { kind: 'method', times: 1 }
  return { kind: 'constant', value: name.endsWith('.bias') ? 0 : 1 }
}

function drawWeight(
  { name, shape }: WeightSpec,
  initial: Initial,
  seed: bigint,
  draw: (rows: number, cols: number) => Parameters<typeof fillSeeded>[3],
): Float32Array {
  const [rows = 1, cols = 1] = shape
  const values = new Float32Array(rows * cols)
  if (initial.kind === 'constant') return values.fill(initial.value)
  if (initial.kind === 'uniform') fillSeeded(values, seed, name, initial)
  else fillSeeded(values, seed, name, timesOf(draw(rows, cols), initial.times))
  return values
}

function timesOf(from: Parameters<typeof fillSeeded>[3], times: number): Parameters<typeof fillSeeded>[3] {
  if (from.kind === 'normal') return { ...from, deviation: from.deviation * times }
  return { ...from, low: from.low * times, high: from.high * times }
}

/** Writes a fresh model as a transformers folder. Refuses `write_failed`. */
export function writeFreshModel(dir: string, model: FreshModel, extras: FolderExtras = {}): void {
  writeTransformers(dir, model, model.valuesOf, extras)
}

/**
 * A fresh model as a checkpoint in memory, which `compile` takes as it takes a path. Weights are drawn when they are read
 * and kept until `close`. `tokenizer` is the content of a tokenizer.json.
 */
export function freshCheckpoint(model: FreshModel, tokenizer?: Json): Checkpoint {
  const path = `fresh ${model.template}`
  const encoders = new Map(model.tensors.map(({ name, encode }) => [name, encode]))
  const drawn = new Map<string, Uint8Array>()
  const tensors = model.tensors.map(({ name, shape }): TensorRecord => {
    const bytes = 4 * shape.reduce((product, size) => product * size, 1)
    return { name, dtype: 'f32', shape, file: path, offset: 0, bytes }
  })
  const bytesOf = (name: string): Uint8Array => {
    const encode = encoders.get(name) ?? fail('engine_failed', { what: `${path}: has no tensor '${name}'` })
    const bytes = drawn.get(name) ?? new Uint8Array(encode(model.valuesOf).buffer)
    drawn.set(name, bytes)
    return bytes
  }
  return {
    path,
    name: `${model.template}-fresh`,
    architecture: String((model.config.architectures as readonly Json[])[0]),
    description: { format: 'transformers', config: model.config, ...(tokenizer === undefined ? {} : { tokenizer }) },
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
    read(tensor, from = 0, bytes = tensor.bytes - from, into = new Uint8Array(bytes)) {
      // A record may be some rows of a tensor: its offset says which.
      const begin = tensor.offset + from
      into.set(bytesOf(tensor.name).subarray(begin, begin + bytes))
      return into.subarray(0, bytes)
    },
    fingerprint() {
      const hash = createHash('sha256').update(JSON.stringify([model.config, tokenizer ?? null]))
      for (const { name } of tensors) hash.update(name).update(bytesOf(name))
      return hash.digest('hex')
    },
    close: () => drawn.clear(),
  }
}
