import { setTimeout } from 'node:timers/promises'
import { CkError, fail } from '../base/errors.ts'
import type { HubSettings } from './hubSettings.ts'

/** What a failed attempt says: an answer's status, or why there was none. */
export interface Failure {
  readonly status?: number
  readonly cause: string
}

/** Attempts in a row without anything gained. */
export const mostAttempts = 4

/** Whether the same request may succeed in a moment. */
export function mayPass({ status }: Failure): boolean {
  return status === undefined || status === 408 || status === 429 || status >= 500
}

/** Waits before attempt 2, 3, ... */
export async function waitBefore(attempt: number, { retryMilliseconds }: HubSettings, signal: AbortSignal | undefined) {
  await setTimeout(retryMilliseconds * 2 ** (attempt - 2), undefined, signal ? { signal } : {})
}

/** Refuses for good; `name` is what was asked for. */
export function refuseFailure({ status, cause }: Failure, name: string, { endpoint, token }: HubSettings): never {
  if (status === undefined) return fail('hub_unreachable', { name, endpoint, cause })
  return fail('hub_refused', { name, endpoint, status, hint: hintOf(status, token !== undefined) })
}

function hintOf(status: number, hasToken: boolean): string {
  if (status === 401 || status === 403) {
    return hasToken
      ? 'HF_TOKEN has no access to it; accept the conditions on the page of the model, or use another token'
      : 'it is gated, private or missing; set HF_TOKEN to a token that has access'
  }
  if (status === 404) return 'there is no such repository, revision or file'
  return 'try again later'
}

/** Runs requests of the hub's library until they succeed, a few times where they may. */
export async function request<T>(
  name: string,
  settings: HubSettings,
  signal: AbortSignal | undefined,
  send: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send()
    } catch (error) {
      if (signal?.aborted) return fail('aborted', { what: name })
      const failure = failureOf(error)
      if (!mayPass(failure) || attempt === mostAttempts) return refuseFailure(failure, name, settings)
      await waitBefore(attempt + 1, settings, signal).catch(() => fail('aborted', { what: name }))
    }
  }
}

/** What an error of fetch or of the hub's library says; our own refusals pass. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CkError) throw error
  if (!(error instanceof Error)) return { cause: String(error) }
  if ('statusCode' in error && typeof error.statusCode === 'number') {
    return { status: error.statusCode, cause: `status ${error.statusCode}` }
  }
  const { cause } = error
  if (!(cause instanceof Error)) return { cause: error.message }
  return { cause: 'code' in cause ? String(cause.code) : cause.message }
}
