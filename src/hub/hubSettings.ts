import { fail } from '../base/errors.ts'

/** How the hub is reached; from the variables that the hub's own tools know. */
export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string
  readonly token?: string
  /** Only what was downloaded before. */
  readonly isOffline: boolean
  /** Where repositories are kept: folders `models--org--repo`. */
  readonly cache: string
  /** Waited before the second attempt of what failed; doubled before each further one. */
  readonly retryMilliseconds: number
}

type Environment = { readonly [name: string]: string | undefined }

/**
 * HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, and HF_HUB_CACHE or HF_HOME for the cache. Refuses `option_invalid` where a value
 * cannot be meant so.
 */
export async function hubSettings(env: Environment = process.env): Promise<HubSettings> {
  const { HUB_URL, getHFHubCachePath } = await import('@huggingface/hub')
  const endpoint = (env.HF_ENDPOINT || HUB_URL).replace(/\/+$/, '')
  if (!/^https?:\/\/[^/]/.test(endpoint) || !URL.canParse(endpoint)) {
    fail('option_invalid', { option: 'HF_ENDPOINT', found: endpoint, accepted: 'an address like https://host' })
  }
  const token = env.HF_TOKEN?.trim()
  // A token is never shown, not even a wrong one.
  if (token && !/^hf_\w+$/.test(token)) {
    fail('option_invalid', { option: 'HF_TOKEN', found: '...', accepted: 'a token of the hub, which begins with hf_' })
  }
  for (const option of ['HF_HOME', 'HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'XDG_CACHE_HOME']) {
    // The hub's library would take the current folder.
    if (env[option] === '') fail('option_invalid', { option, found: '', accepted: 'a folder; or unset it' })
  }
  return {
    endpoint,
    ...(token ? { token } : {}),
    isOffline: /^(1|true|yes|on)$/i.test(env.HF_HUB_OFFLINE ?? ''),
    cache: getHFHubCachePath(),
    retryMilliseconds: 500,
  }
}
