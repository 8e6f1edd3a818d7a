import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { chooseFiles } from './chooseFiles.ts'
import { downloadBlob } from './downloadBlob.ts'
import { type HubName, isPlainPath, parseHubName } from './hubName.ts'
import { type HubSettings, hubSettings } from './hubSettings.ts'
import { type HubFile, type Listing, listRepository } from './listing.ts'
import { RepositoryCache } from './repositoryCache.ts'

export interface PullOptions {
  readonly settings?: HubSettings
  readonly signal?: AbortSignal
  /** How much of the model is here, 0 to 1; called where something is downloaded. */
  readonly onProgress?: (done: number) => void
}

/**
 * Brings a model of the hub to the cache, and gives the path of its GGUF file (its first shard) or transformers folder there.
 * What is there already is not downloaded again. Refuses what a name, a repository, the network and the disk can get wrong.
 */
export async function pullModel(text: string, options: PullOptions = {}): Promise<string> {
  const name = parseHubName(text)
  const settings = options.settings ?? (await hubSettings())
  const { getRepoFolderName } = await import('@huggingface/hub')
  const folder = join(settings.cache, getRepoFolderName({ type: 'model', name: name.repo }))
  const cache = new RepositoryCache(folder)
  return settings.isOffline ? findOffline(name, cache, folder) : download(name, cache, settings, options)
}

async function download(
  name: HubName,
  cache: RepositoryCache,
  settings: HubSettings,
  options: PullOptions,
): Promise<string> {
  const listing = await listRepository(name, settings, options.signal)
  const { files, model } = chooseFiles(
    name,
    listing.files.map(({ path }) => path),
  )
  const chosen = listing.files.filter(({ path }) => files.includes(path))
  const foreign = chosen.find(({ path }) => !isPlainPath(path))
  if (foreign) {
    const what = `the path ${JSON.stringify(foreign.path)}`
    fail('hub_answer_invalid', { name: name.text, endpoint: settings.endpoint, what })
  }
  await downloadMissing(name, listing, chosen, cache, settings, options)
  cache.remember(name, listing.commit)
  return join(cache.snapshot(listing.commit), model ?? '')
}

async function downloadMissing(
  name: HubName,
  { commit }: Listing,
  chosen: readonly HubFile[],
  cache: RepositoryCache,
  settings: HubSettings,
  { signal, onProgress }: PullOptions,
): Promise<void> {
  const total = chosen.reduce((sum, { size }) => sum + size, 0)
  let done = 0
  for (const file of chosen) {
    if (!cache.has(commit, file)) {
      const before = done
      const onBytes = (bytes: number) => onProgress?.((before + bytes) / Math.max(1, total))
      if (!cache.hasBlob(file)) {
        const url = `${settings.endpoint}/${name.repo}/resolve/${commit}/${file.path.split('/').map(encodeURIComponent).join('/')}`
        await downloadBlob(url, file, cache.blob(file.hash), settings, { onBytes, ...(signal ? { signal } : {}) })
      }
      cache.link(commit, file)
    }
    done += file.size
  }
}

/** What was downloaded before, without a request. */
function findOffline(name: HubName, cache: RepositoryCache, folder: string): string {
  const commit = cache.commitOf(name.revision)
  const paths = commit === undefined ? [] : cache.pathsOf(commit)
  if (commit === undefined || paths.length === 0) {
    return fail('hub_offline', { name: name.text, what: `revision '${name.revision}'`, cache: folder })
  }
  const { model } = chooseFiles(name, paths)
  return join(cache.snapshot(commit), model ?? '')
}
