import { readTensor } from './assembleCheckpoint.ts'
import { openFile } from './byteSource.ts'
import type { Checkpoint } from './checkpoint.ts'
import { readSafetensors, type SafetensorsHeader } from './safetensors.ts'

/** One open safetensors file that is no model: logits, goldens. */
export type SafetensorsFile = SafetensorsHeader & Pick<Checkpoint, 'path' | 'read' | 'close'>

/** Opens a safetensors file by itself, without a folder's config.json. Refuses as `readSafetensors`. */
export function openSafetensors(path: string): SafetensorsFile {
  const source = openFile(path)
  try {
    return {
      ...readSafetensors(source),
      path,
      read: (tensor, from = 0, bytes = tensor.bytes - from, into?) => readTensor(source, tensor, from, bytes, into),
      close: () => source.close(),
    }
  } catch (error) {
    source.close()
    throw error
  }
}
