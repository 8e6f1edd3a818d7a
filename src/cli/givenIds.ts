import { fail } from '../base/errors.ts'
import { readIds } from './readIds.ts'

/** The ids of --ids or --ids-file; undefined where neither is given. Refuses both, and an empty list. */
export function givenIds(options: {
  readonly ids?: readonly number[]
  readonly idsFile?: string
}): readonly number[] | undefined {
  const { ids, idsFile } = options
  if (ids && idsFile !== undefined) {
    fail('option_invalid', { option: '--ids-file', found: idsFile, accepted: 'one of --ids and --ids-file' })
  }
  const list = ids ?? (idsFile === undefined ? undefined : readIds(idsFile))
  if (list?.length === 0)
    fail('option_invalid', { option: '--ids-file', found: 'an empty list', accepted: 'at least one id' })
  return list
}

/** Refuses ids outside the vocabulary with `token_out_of_range`. */
export function checkIds(ids: readonly number[], vocabulary: number): void {
  for (const [at, id] of ids.entries()) if (id >= vocabulary) fail('token_out_of_range', { id, at, vocabulary })
}
