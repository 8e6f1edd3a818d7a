import { isHubName } from '../hub/hubName.ts'
import type { Io } from './command.ts'

/** The path that MODEL means: its own, or that of a model of the hub, which is downloaded first where it is not here yet. */
export async function resolveModel(text: string, io: Io): Promise<string> {
  if (!isHubName(text)) return text
  const { pullModel } = await import('../hub/pullModel.ts')
  try {
    return await pullModel(text, { signal: io.signal, onProgress: (done) => io.progress.show('download', done) })
  } finally {
    io.progress.end()
  }
}
