import { join } from 'node:path'
import { makeFolder } from '../../base/makeFolder.ts'
import { orRefuseWrite } from '../../base/orRefuseWrite.ts'
import type { Checkpoint } from '../../formats/checkpoint.ts'
import { quantizeModel } from '../../quantize/quantizeModel.ts'
import type { RecipeName } from '../../quantize/recipes.ts'
import type { TrainConfig } from '../config/trainConfig.ts'
import { exportTransformers } from '../export/exportTransformers.ts'
import { openTrained } from '../export/openTrained.ts'
import { trainingPlaces } from './runFolder.ts'

/**
 * Writes a model as the config asks for, under its name, and gives the paths. `base`: the folder of the last stage that
 * trained, or the model of a config without any; an open one stays open. Refuses as `ck export`.
 */
export async function exportTrained(
  { name, export: wanted }: TrainConfig,
  base: string | Checkpoint,
  { out, signal }: { readonly out: string; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  if (!wanted) return []
  const places = trainingPlaces(out)
  const kind = wanted.average ? 'averageOrWeight' : 'weight'
  const model = typeof base === 'string' ? openTrained(base, kind).checkpoint : base
  const checkpoint = { ...model, name }
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
      await exportTransformers(checkpoint, path, { signal })
      written.push(path)
    }
    return written
  } finally {
    if (model !== base) model.close()
  }
}
