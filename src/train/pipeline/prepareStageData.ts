import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StageConfig } from '../config/trainConfig.ts'
import { DataSet } from '../data/dataSet.ts'
import { openDataTokenizer } from '../data/openDataTokenizer.ts'
import { prepareData } from '../data/prepareData.ts'
import { hasTexts } from '../data/readDocuments.ts'
import type { TokenizerSource } from './prepareModel.ts'
import { trainingPlaces } from './runFolder.ts'

/**
 * The data of a stage, prepared in the folder `out` where they are files and are not there yet. Ids need no tokenizer: that
 * of the model is read for texts only, one that was asked for always. Refuses as `prepareData` and `DataSet.open`.
 */
export async function prepareStageData(
  { name, data }: Pick<StageConfig, 'name' | 'data'>,
  out: string,
  tokenizer: TokenizerSource | undefined,
  { signal, onNote }: { readonly signal: AbortSignal; onNote(note: string): void },
): Promise<DataSet> {
  if (data.kind === 'prepared') return DataSet.open(data.path)
  const folder = trainingPlaces(out).data(name)
  if (!existsSync(join(folder, 'data.json'))) {
    const template =
      data.template === undefined
        ? {}
        : { template: { path: data.template, text: readFileSync(data.template, 'utf8') } }
    const isNeeded = tokenizer !== undefined && (!tokenizer.isOfModel || hasTexts(data.files))
    const opened = isNeeded ? await openDataTokenizer(tokenizer.path, { ...template, signal }) : undefined
    const settings = { options: data.options, signal, ...(opened ? { tokenizer: opened } : {}) }
    const info = await prepareData(data.files, folder, settings)
    onNote(`data of ${name}: ${info.train.tokens} tokens to learn, ${info.validation.tokens} to validate`)
  }
  return DataSet.open(folder)
}
