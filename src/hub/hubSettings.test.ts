import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { hubSettings } from './hubSettings.ts'

afterEach(() => vi.unstubAllEnvs())

/** Settings where only these variables are set. */
async function settingsOf(variables: { readonly [name: string]: string }) {
  for (const name of [
    'HF_ENDPOINT',
    'HF_TOKEN',
    'HF_HUB_OFFLINE',
    'HF_HOME',
    'HF_HUB_CACHE',
    'HUGGINGFACE_HUB_CACHE',
  ]) {
    vi.stubEnv(name, variables[name])
  }
  return hubSettings()
}

it('are what the hub and its tools use where nothing is set', async () => {
  const { endpoint, token, isOffline, cache } = await settingsOf({})
  expect({ host: new URL(endpoint).protocol, token, isOffline }).toEqual({
    host: 'https:',
    token: undefined,
    isOffline: false,
  })
  expect(cache.endsWith(join('huggingface', 'hub'))).toBe(true)
})

it('follow the variables', async () => {
  const mirror = await settingsOf({
    HF_ENDPOINT: 'http://mirror:80/hub/',
    HF_TOKEN: ' hf_abc\n',
    HF_HUB_OFFLINE: 'Yes',
  })
  expect(mirror).toMatchObject({ endpoint: 'http://mirror:80/hub', token: 'hf_abc', isOffline: true })
  expect((await settingsOf({ HF_HOME: '/home/hub' })).cache).toBe(join('/home/hub', 'hub'))
  expect((await settingsOf({ HF_HOME: '/home/hub', HF_HUB_CACHE: '/cache' })).cache).toBe('/cache')
  expect((await settingsOf({ HF_HUB_OFFLINE: '0' })).isOffline).toBe(false)
})

it.each([
  [{ HF_ENDPOINT: 'mirror' }, "HF_ENDPOINT is 'mirror'; accepted: an address like https://host"],
  [{ HF_TOKEN: 'secret' }, "HF_TOKEN is '...'; accepted: a token of the hub, which begins with hf_"],
  [{ HF_HOME: '' }, "HF_HOME is ''; accepted: a folder; or unset it"],
])('refuse %o', async (variables, message) => {
  await expect(settingsOf(variables as { [name: string]: string })).rejects.toMatchObject({
    code: 'option_invalid',
    message,
  })
})
