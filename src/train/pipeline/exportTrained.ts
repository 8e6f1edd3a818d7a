import { join } from 'node:path'
import { makeFolder } from '../../base/makeFolder.ts'
import { orRefuseWrite } from '../../base/orRefuseWrite.ts'
import { quantizeModel } from '../../quantize/quantizeModel.ts'
import type { RecipeName } from '../../quantize/recipes.ts'
import type { TrainConfig } from '../config/trainConfig.ts'
import { exportTransformers } from '../export/exportTransformers.ts'
import { openTrained } from '../export/openTrained.ts'
import { trainingPlaces } from './runFolder.ts'

/** Writes the model that the last stage ended with as the config asks for, under its name, and gives the paths. Refuses as `ck export`. */
export async function exportTrained(
  { name, stages, export: wanted }: TrainConfig,
  out: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const last = stages.at(-1)
  if (!wanted || !last) return []
  const places = trainingPlaces(out)
  const kind = wanted.average && last.ema !== undefined ? 'average' : 'weight'
  const { checkpoint: trained } = openTrained(places.stage(last.name), kind)
  const checkpoint = { ...trained, name }
  try {
    orRefuseWrite(places.export, () => makeFolder(places.export))
    const written: string[] = []
    for (const format of wanted.gguf) {
      const path = join(places.export, `${name}-${format}.gguf`)
      await quantizeModel(checkpoint, path, { recipe: format as RecipeName, signal })
      written.push(path)
    }
    if (wanted.transformers) {
      const path = join(places.export, 'transformers')
      exportTransformers(checkpoint, path, { signal })
      written.push(path)
    }
    return written
  } finally {
    checkpoint.close()
  }
}
