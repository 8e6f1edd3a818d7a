import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { modelsPage, recordings, resultsFile } from '../../scripts/modelsPage.mjs'
import { weightDtypes } from '../../src/base/dtypes.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { ConfigReader } from '../../src/templates/configReader.ts'
import { templates } from '../../src/templates/readModel.ts'
import { ropeVariants } from '../../src/templates/rope/ropeVariants.ts'

const page = fileURLToPath(new URL('../../docs/models.md', import.meta.url))

it('docs/models.md is what `npm run docs` writes', () => {
  const made = modelsPage({ templates, openCheckpoint, ConfigReader, ropeVariants, weightDtypes })
  expect(readFileSync(page, 'utf8')).toBe(made)
})

it('every recorded reference has been measured: `npm run docs -- --measure NAME`', () => {
  const { goldens } = JSON.parse(readFileSync(resultsFile, 'utf8')) as { goldens: { readonly [name: string]: unknown } }
  expect(Object.keys(goldens)).toEqual(recordings().map(({ name }) => name))
})

it('every family has a sentence and a reference', () => {
  const text = readFileSync(page, 'utf8')
  for (const { name } of templates) {
    const section = text.split(`### ${name}\n`)[1]?.split('###')[0] ?? ''
    expect(section.trim().split('\n')[0], name).toMatch(/^[A-Z].*\.$/)
    expect(section, name).toContain('| reference |')
  }
})
