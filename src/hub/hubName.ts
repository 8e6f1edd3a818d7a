import { existsSync } from 'node:fs'
import { fail } from '../base/errors.ts'

/** What a hub name asks for. */
export interface HubName {
  /** As it was typed, for messages. */
  readonly text: string
  /** `org/repo` */
  readonly repo: string
  /** A branch, a tag or a commit. */
  readonly revision: string
  /** A path in the repository; or the quantisation of a GGUF file, as file names say it; or neither: the repository's model. */
  readonly file?: string
  readonly quantisation?: string
}

const prefix = 'hf://'
const part = '[A-Za-z0-9][\\w.-]*'
const repo = `(?<repo>${part}/${part})(?:@(?<revision>[\\w.][\\w./-]*?))?`
const short = new RegExp(`^${repo}:(?<quantisation>[\\w.-]+)$`)
const long = new RegExp(`^${repo}(?:/(?<file>[^/].*))?$`)

/** Whether MODEL names a model of the hub: `hf://...`, or `org/repo:quantisation` where no such file is here. */
export function isHubName(text: string): boolean {
  return text.startsWith(prefix) || (short.test(text) && !existsSync(text))
}

/**
 * Reads `hf://org/repo/path/file.gguf`, `hf://org/repo` and `[hf://]org/repo:Q4_K_M`; behind the repository `@revision`
 * (without slashes where a file follows) may stand, else it is `main`. Refuses `hub_name_invalid`.
 */
export function parseHubName(text: string): HubName {
  const isLong = text.startsWith(prefix)
  const rest = isLong ? text.slice(prefix.length) : text
  const groups = (short.exec(rest) ?? (isLong ? long.exec(rest) : null))?.groups
  if (!groups?.repo) return fail('hub_name_invalid', { name: text, what: 'is no name of a model of the hub' })
  const { file, quantisation, revision = 'main' } = groups
  if (file !== undefined && !isPlainPath(file)) {
    fail('hub_name_invalid', { name: text, what: `'${file}' is no path in a repository` })
  }
  if (!isPlainPath(revision)) fail('hub_name_invalid', { name: text, what: `'${revision}' is no revision` })
  return {
    text,
    repo: groups.repo,
    revision,
    ...(file === undefined ? {} : { file }),
    ...(quantisation === undefined ? {} : { quantisation }),
  }
}

/** Whether a path stays in the folder that it is joined to, on any system. */
export function isPlainPath(path: string): boolean {
  return !/[\\\0:]/.test(path) && path.split('/').every((name) => name !== '' && name !== '.' && name !== '..')
}
