import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { CkError } from '../../src/base/errors.ts'
import type { ChatTemplate, RenderInput } from '../../src/chat/chatTemplate.ts'
import { cases, goldenOf, hasShared, ownNames, type Rendering, sharedNames, templateOf } from './templates.ts'

/** oracles/chat.py renders at this time. */
const now = new Date(2026, 2, 7, 15, 4, 5)

function render(template: ChatTemplate, input: Omit<RenderInput, 'now'>): Rendering {
  try {
    return { text: template.render({ ...input, bosToken: '<s>', eosToken: '</s>', now }) }
  } catch (error) {
    if (!(error instanceof CkError)) throw error
    return { refused: error.message.replace(/^[^:]*: the chat template does not render this conversation: /, '') }
  }
}

function digest(rendering: Rendering): Rendering {
  if (!('text' in rendering)) return rendering
  const data = Buffer.from(rendering.text)
  return { sha256: createHash('sha256').update(data).digest('hex').slice(0, 16), bytes: data.length }
}

describe('a chat template renders what transformers renders', () => {
  for (const name of ownNames) {
    it(`of ${name}`, () => {
      const template = templateOf(name)
      const golden = goldenOf(name)
      cases.forEach((input, i) => {
        expect(render(template, input), `case ${i}`).toEqual(golden[i])
      })
    })
  }

  for (const name of sharedNames) {
    it.skipIf(!hasShared)(`of ${name} (needs ../shared/data)`, () => {
      const template = templateOf(name)
      const golden = goldenOf(name)
      cases.forEach((input, i) => {
        const rendered = render(template, input)
        expect(digest(rendered), `case ${i}: ${JSON.stringify(rendered)}`).toEqual(golden[i])
      })
    })
  }
})
