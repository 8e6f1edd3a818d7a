import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StageConfig } from '../config/trainConfig.ts'
import { DataSet } from '../data/dataSet.ts'
import { openDataTokenizer } from '../data/openDataTokenizer.ts'
import { prepareData } from '../data/prepareData.ts'
import { trainingPlaces } from './runFolder.ts'

/**
 * The data of a stage, prepared in the folder `out` where they are files and are not there yet. `tokenizer`: a tokenizer.json,
 * or what has one. Refuses as `prepareData` and `DataSet.open`.
 */
export async function prepareStageData(
  { name, data }: StageConfig,
  out: string,
  tokenizer: string | undefined,
  { signal, onNote }: { readonly signal: AbortSignal; onNote(note: string): void },
): Promise<DataSet> {
  if (data.kind === 'prepared') return DataSet.open(data.path)
  const folder = trainingPlaces(out).data(name)
  if (!existsSync(join(folder, 'data.json'))) {
    const template =
      data.template === undefined
        ? {}
        : { template: { path: data.template, text: readFileSync(data.template, 'utf8') } }
    const opened = tokenizer === undefined ? undefined : await openDataTokenizer(tokenizer, { ...template, signal })
    const settings = { options: data.options, signal, ...(opened ? { tokenizer: opened } : {}) }
    const info = await prepareData(data.files, folder, settings)
    onNote(`data of ${name}: ${info.train.tokens} tokens to learn, ${info.validation.tokens} to validate`)
  }
  return DataSet.open(folder)
}
