import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const commit = 'c0ffee'.padEnd(40, '0')

/** What the storage does with a request, instead of giving the bytes asked for. */
export type Mishap =
  | { readonly cutAfter: number }
  | { readonly status: number }
  | { readonly bytes: Uint8Array }
  | { readonly ignoreRange: true }
  | { readonly stall: true }

export interface Repository {
  readonly files: { readonly [path: string]: Uint8Array }
  /** A token without which nothing is shown. */
  readonly token?: string
}

/** A request that arrived: at the hub itself, or at the storage that it sends large files from. */
export interface Seen {
  readonly at: 'hub' | 'storage'
  readonly path: string
  readonly range?: string
  readonly authorization?: string
}

/** A hub on loopback, with its storage under another host name, and repositories as a test wants them. */
export interface HubServer {
  readonly endpoint: string
  readonly seen: Seen[]
  /** Taken one by one by the storage, then all is well. */
  readonly mishaps: Mishap[]
  /** Statuses that the hub itself answers with, one by one. */
  readonly refusals: number[]
  /** Changes what the hub says of files. */
  lie: ((entry: { [key: string]: unknown }) => unknown) | undefined
  close(): Promise<void>
}

/** Files from this size on are large: named by SHA-256 and sent by the storage. */
const largeBytes = 64

const hashOf = (algorithm: string, ...parts: (string | Uint8Array)[]) => {
  const hash = createHash(algorithm)
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

export const sha256 = (bytes: Uint8Array) => hashOf('sha256', bytes)
export const gitHash = (bytes: Uint8Array) => hashOf('sha1', `blob ${bytes.length}\0`, bytes)

export async function openHub(repositories: { readonly [name: string]: Repository }): Promise<HubServer> {
  const seen: Seen[] = []
  const mishaps: Mishap[] = []
  const refusals: number[] = []
  const storage = await listen('127.0.0.1', (request, response) => {
    note(seen, 'storage', request)
    const hash = request.url!.slice(1)
    const bytes = Object.values(repositories)
      .flatMap(({ files }) => Object.values(files))
      .find((file) => sha256(file) === hash)!
    send(request, response, bytes, mishaps.shift())
  })
  const hub = await listen('127.0.0.1', (request, response) => {
    note(seen, 'hub', request)
    const refused = refusals.shift()
    if (refused !== undefined) {
      response.writeHead(refused).end()
      return
    }
    const url = new URL(request.url!, 'http://hub')
    const [, name = ''] = /^(?:\/api\/models)?\/([^/]+\/[^/]+)\//.exec(url.pathname) ?? []
    const repository = repositories[name]
    if (repository?.token && request.headers.authorization !== `Bearer ${repository.token}`) {
      response.writeHead(401).end()
      return
    }
    if (!repository) {
      response.writeHead(404).end()
      return
    }
    answer(url, name, repository, response, request)
  })
  const storageUrl = `http://localhost:${(storage.address() as AddressInfo).port}`
  const endpoint = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`
  const server: HubServer = {
    endpoint,
    seen,
    mishaps,
    refusals,
    lie: undefined,
    close: async () => {
      for (const one of [hub, storage]) {
        one.closeAllConnections()
        await new Promise((resolve) => one.close(resolve))
      }
    },
  }
  return server

  function answer(
    url: URL,
    name: string,
    { files }: Repository,
    response: ServerResponse,
    request: IncomingMessage,
  ): void {
    const api = `/api/models/${name}/`
    if (url.pathname === `${api}revision/main`) {
      json(response, { _id: '1', id: name, sha: commit })
      return
    }
    if (url.pathname === `${api}tree/${commit}`) {
      const entries = Object.entries(files).map(([path, bytes]) => describe(path, bytes))
      // Two pages, the second by a link.
      const half = Math.ceil(entries.length / 2)
      const page = url.searchParams.get('cursor') === null ? entries.slice(0, half) : entries.slice(half)
      if (page[0] !== undefined && page.length < entries.length && url.searchParams.get('cursor') === null) {
        response.setHeader('link', `<${endpoint}${url.pathname}?recursive=true&cursor=1>; rel="next"`)
      }
      json(response, page)
      return
    }
    const resolve = `/${name}/resolve/${commit}/`
    const path = decodeURIComponent(url.pathname.slice(resolve.length))
    const bytes = url.pathname.startsWith(resolve) ? files[path] : undefined
    if (!bytes) {
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end()
      return
    }
    response.setHeader('x-repo-commit', commit)
    if (bytes.length < largeBytes) {
      response.setHeader('etag', `"${gitHash(bytes)}"`)
      send(request, response, bytes, undefined)
      return
    }
    const hash = sha256(bytes)
    response.setHeader('x-linked-etag', `"${hash}"`)
    response.setHeader('x-linked-size', bytes.length)
    response.writeHead(302, { location: `${storageUrl}/${hash}` }).end()
  }

  function describe(path: string, bytes: Uint8Array): unknown {
    const large = {
      lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 },
      oid: gitHash(Buffer.from('pointer')),
    }
    const entry = {
      type: 'file',
      path,
      size: bytes.length,
      ...(bytes.length < largeBytes ? { oid: gitHash(bytes) } : large),
    }
    return server.lie ? server.lie(entry) : entry
  }
}

function note(seen: Seen[], at: Seen['at'], { url = '', headers }: IncomingMessage): void {
  const { range, authorization } = headers
  seen.push({ at, path: url, ...(range ? { range } : {}), ...(authorization ? { authorization } : {}) })
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

function send(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array, mishap: Mishap | undefined): void {
  if (mishap && 'status' in mishap) {
    response.writeHead(mishap.status).end()
    return
  }
  if (mishap && 'bytes' in mishap) {
    response.writeHead(200).end(mishap.bytes)
    return
  }
  const asked = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1]
  const from = mishap && 'ignoreRange' in mishap ? 0 : Number(asked ?? 0)
  if (from > 0 && from >= bytes.length) {
    response.writeHead(416).end()
    return
  }
  const rest = bytes.subarray(from)
  const range = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': rest.length, ...(from > 0 ? range : {}) })
  if (mishap && 'cutAfter' in mishap) {
    response.write(rest.subarray(0, mishap.cutAfter), () => setTimeout(() => request.socket.destroy(), 20))
  } else if (mishap && 'stall' in mishap) {
    response.write(rest.subarray(0, Math.floor(rest.length / 2)))
  } else response.end(rest)
}

async function listen(
  host: string,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  return server
}
