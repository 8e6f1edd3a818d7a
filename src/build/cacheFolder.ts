import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where this project keeps what it can make again: $CK_CACHE, $XDG_CACHE_HOME/ck or ~/.cache/ck. May not exist yet. */
export function cacheFolder(): string {
  const { CK_CACHE, XDG_CACHE_HOME } = process.env
  if (CK_CACHE) return CK_CACHE
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'ck')
}
