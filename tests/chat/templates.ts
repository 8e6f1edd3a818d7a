import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ChatTemplate, compileChatTemplate, type RenderInput } from '../../src/chat/chatTemplate.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
export const ownFolder = join(here, 'templates')
export const sharedFolder = join(here, '../../../shared/data/templates')
export const hasShared = existsSync(sharedFolder)
export const ownNames = namesIn(ownFolder)

/** The published templates that goldens were recorded of; they need ../shared/data. */
export const sharedNames = namesIn(join(here, 'golden'), '.json').filter(
  (name) => name !== 'cases' && !ownNames.includes(name),
)

export type Rendering =
  | { readonly text: string }
  | { readonly sha256: string; readonly bytes: number }
  | { readonly refused: string }

export const cases: readonly Omit<RenderInput, 'now'>[] = readJson('cases')

export function goldenOf(name: string): readonly Rendering[] {
  return readJson(name)
}

export function templateOf(name: string): ChatTemplate {
  const folder = ownNames.includes(name) ? ownFolder : sharedFolder
  return compileChatTemplate(readFileSync(join(folder, `${name}.jinja`), 'utf8'), name)
}

function namesIn(folder: string, ending = '.jinja'): string[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(ending))
  return files.map((file) => basename(file, ending)).toSorted()
}

function readJson<T>(name: string): T {
  return JSON.parse(readFileSync(join(here, 'golden', `${name}.json`), 'utf8')) as T
}
