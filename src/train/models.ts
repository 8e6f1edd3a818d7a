import type { Checkpoint } from '../formats/checkpoint.ts'
import { freshCheckpoint, type ModelInit, makeFreshModel } from './freshModel.ts'
import type { ModelShape } from './init/freshSizes.ts'
import type { InitMethodName } from './init/initMethods.ts'
import { type ModelFamily, modelFamilies } from './init/modelFamilies.ts'

/** Sizes of a fresh model, and how its weights are drawn. */
export interface FreshOptions extends ModelShape, Omit<ModelInit, 'method'> {
  /** How matrices are drawn: `normal`, `xavier_uniform` and others. Default: normal. */
  readonly init?: InitMethodName
}

/** Makes a fresh model as a checkpoint in memory. */
export type MakeModel<Options = FreshOptions> = (options: Options) => Checkpoint

const tiny = { vocab: 512, dim: 64, layers: 2, hidden: 192, heads: 4, kvHeads: 2, contextLen: 128 } as const

function maker(family: ModelFamily): MakeModel {
  return ({ init, deviation, seed, ...shape }) => {
    const drawing = { ...(init ? { method: init } : {}), ...(deviation === undefined ? {} : { deviation }) }
    return freshCheckpoint(makeFreshModel(family, shape, { ...drawing, ...(seed === undefined ? {} : { seed }) }))
  }
}

/**
 * Fresh models by family, and `qwen3Tiny`, for which every size has a small default. What is not given follows from the
 * family's reference. Refuses `option_invalid` for sizes that do not fit each other.
 */
export const models = {
  ...(Object.fromEntries(modelFamilies.map((family) => [family, maker(family)])) as Record<ModelFamily, MakeModel>),
  qwen3Tiny: ((options = {}) => maker('qwen3')({ ...tiny, ...options })) as (
    options?: Partial<FreshOptions>,
  ) => Checkpoint,
} as const
