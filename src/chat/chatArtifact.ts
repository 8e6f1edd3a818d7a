import { basename } from 'node:path'
import { CkError, fail } from '../base/errors.ts'
import type { CheckpointDescription, Json } from '../formats/checkpoint.ts'
import { isJsonObject } from '../formats/parseJson.ts'
import { type ChatTemplate, compileChatTemplate } from './chatTemplate.ts'
import { compileContract, type TokenTexts } from './compileContract.ts'
import type { ChatContract } from './contract.ts'
import { defaultTemplate, readChatTemplates } from './readChatTemplate.ts'
import { tokenTexts } from './tokenTexts.ts'

/** How a model chats: chat.json of a run folder. */
export interface ChatArtifact extends TokenTexts {
  readonly format: 1
  /** Where the template stands in the checkpoint, or the name of its file. */
  readonly where: string
  readonly template: string
  /** null: the template cannot be said so, for `reason`; TypeScript renders it all the same. */
  readonly contract: ChatContract | null
  readonly reason?: string
  /** The template is not even read, for `reason`. */
  readonly isInvalid?: true
}

/** A template given from outside the checkpoint. */
export interface GivenTemplate {
  readonly path: string
  readonly text: string
}

/**
 * How a checkpoint chats; undefined where it has no template. A template of its own that cannot be read is recorded with
 * the reason, because the model still continues texts; one that was `given` is refused with `template_invalid`.
 */
export function makeChatArtifact(
  description: CheckpointDescription,
  path: string,
  given?: GivenTemplate,
): ChatArtifact | undefined {
  const tokens = tokenTexts(description)
  if (given) return makeGivenArtifact(given, tokens)
  const found = readChatTemplates(description, path).get(defaultTemplate)
  if (!found) return undefined
  try {
    return artifactOf(found.where, found.text, compileChatTemplate(found.text, found.where), tokens)
  } catch (error) {
    if (!(error instanceof CkError)) throw error
    const { where, text: template } = found
    return { format: 1, where, template, ...tokens, contract: null, reason: error.message, isInvalid: true }
  }
}

/** How a model chats by a template from outside. Refuses `template_invalid`. */
export function makeGivenArtifact({ path, text }: GivenTemplate, tokens: TokenTexts): ChatArtifact {
  return artifactOf(basename(path), text, compileChatTemplate(text, path), tokens)
}

function artifactOf(where: string, text: string, template: ChatTemplate, tokens: TokenTexts): ChatArtifact {
  return { format: 1, where, template: text, ...tokens, ...compileContract(template, tokens) }
}

/** The artifact in a parsed chat.json of the run folder `dir`; only its outline is checked. Refuses `run_folder_invalid`. */
export function readChatArtifact(json: Json, dir: string): ChatArtifact {
  const isArtifact = isJsonObject(json) && json.format === 1 && typeof json.template === 'string' && 'contract' in json
  if (!isArtifact) fail('run_folder_invalid', { dir, what: 'chat.json is of another format than 1' })
  return json as unknown as ChatArtifact
}
