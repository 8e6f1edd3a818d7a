import { configDefaults } from './configDefaults.ts'
import type { WrittenStage, WrittenTrain } from './configSchema.ts'
import type { RefuseAt } from './resolveStage.ts'
import type { DataConfig, EvaluationConfig } from './trainConfig.ts'

/** What a stage that evaluates may say, besides its data. */
const ownKeys: readonly string[] = ['name', 'task', 'batch', 'length', 'threads', 'average']

/** A stage that only evaluates `data`, with the rows that `train` says of every stage. `index`: its place in `stages`. */
export function resolveEvaluation(
  train: WrittenTrain,
  stage: Omit<WrittenStage, 'data'>,
  index: number,
  data: DataConfig,
  refuse: RefuseAt,
): EvaluationConfig {
  const foreign = Object.keys(stage).find((key) => !ownKeys.includes(key))
  if (foreign !== undefined)
    refuse(
      ['stages', index, foreign],
      `'${foreign}' says nothing to a stage that only evaluates`,
      'it in a stage that trains',
    )
  const { batch, length, threads } = { ...configDefaults.train, ...train, ...stage }
  const { name, average = true } = stage
  return { task: 'evaluate', name, average, data, batch, length, ...(threads === undefined ? {} : { threads }) }
}
