import { fail } from '../base/errors.ts'
import type { HubName } from './hubName.ts'
import type { HubSettings } from './hubSettings.ts'
import { request } from './request.ts'

/** A file of a repository. `hash` names its bytes: SHA-256, or of a small file git's SHA-1. */
export interface HubFile {
  readonly path: string
  readonly size: number
  readonly hash: string
}

/** The files of a repository at one commit. */
export interface Listing {
  readonly commit: string
  readonly files: readonly HubFile[]
}

/** Asks the hub. Refuses `hub_refused`, `hub_unreachable`, `hub_answer_invalid`, `aborted`. */
export async function listRepository(
  name: HubName,
  settings: HubSettings,
  signal: AbortSignal | undefined,
): Promise<Listing> {
  const { listFiles, modelInfo } = await import('@huggingface/hub')
  const { repo, revision, text } = name
  const { endpoint, token } = settings
  const credentials = token === undefined ? {} : { accessToken: token }
  const stoppable: typeof fetch = (input, init) => fetch(input, { ...init, ...(signal ? { signal } : {}) })
  const access = { ...credentials, hubUrl: endpoint, fetch: stoppable }
  return request(text, settings, signal, async () => {
    const { sha } = await modelInfo({ ...access, name: repo, revision, additionalFields: ['sha'] })
    const commit = checked(name, endpoint, 'a commit', sha, /^[0-9a-f]{40}$/)
    const files: HubFile[] = []
    for await (const { type, path, size, oid, lfs } of listFiles({
      ...access,
      repo,
      revision: commit,
      recursive: true,
    })) {
      if (type !== 'file') continue
      const hash = checked(name, endpoint, 'a hash', lfs?.oid ?? oid, /^([0-9a-f]{40}|[0-9a-f]{64})$/)
      const bytes = lfs?.size ?? size
      if (!Number.isSafeInteger(bytes) || bytes < 0) refuse(name, endpoint, `the size ${JSON.stringify(bytes)}`)
      files.push({ path, size: bytes, hash })
    }
    return { commit, files }
  })
}

function checked(name: HubName, endpoint: string, what: string, found: unknown, accepted: RegExp): string {
  return typeof found === 'string' && accepted.test(found)
    ? found
    : refuse(name, endpoint, `${JSON.stringify(found) ?? 'nothing'} as ${what}`)
}

function refuse(name: HubName, endpoint: string, what: string): never {
  return fail('hub_answer_invalid', { name: name.text, endpoint, what })
}
