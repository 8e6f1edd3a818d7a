import { fail } from '../base/errors.ts'

/**
 * The context to build the checkpoint at `path` with so that it holds `tokens`: undefined where the default does, else the
 * next power of two, so that few builds serve many lengths. Refuses `context_exceeded`.
 */
export async function fittingContext(path: string, tokens: number): Promise<number | undefined> {
  const { openCheckpoint } = await import('../formats/openCheckpoint.ts')
  const { readModel } = await import('../templates/readModel.ts')
  const { defaultContext } = await import('../compile.ts')
  const checkpoint = openCheckpoint(path)
  try {
    const { context } = readModel(checkpoint).sizes
    if (tokens > context) fail('context_exceeded', { tokens, context })
    return tokens <= defaultContext ? undefined : Math.min(context, 2 ** Math.ceil(Math.log2(tokens)))
  } finally {
    checkpoint.close()
  }
}
