import { fail } from '../base/errors.ts'

/**
 * The context to build the checkpoint at `path` with so that it holds `tokens`: undefined where the default does, else the
 * next power of two, so that few builds serve many lengths. A model that turns otherwise in short contexts is built for these
 * where they hold the tokens. Refuses `context_exceeded`.
 */
export async function fittingContext(path: string, tokens: number): Promise<number | undefined> {
  const { openCheckpoint } = await import('../formats/openCheckpoint.ts')
  const { readModel } = await import('../templates/readModel.ts')
  const { defaultContext } = await import('../compile.ts')
  const checkpoint = openCheckpoint(path)
  try {
    const { context, short } = readModel(checkpoint).sizes
    if (tokens > context) fail('context_exceeded', { tokens, context })
    if (short !== undefined && tokens <= short) return Math.min(short, context)
    return tokens <= defaultContext ? undefined : Math.min(context, 2 ** Math.ceil(Math.log2(tokens)))
  } finally {
    checkpoint.close()
  }
}
