// RESULTS.md: a section per machine, so that what one has measured stays when another measures, and in it a section per
// program, which says of which code it is.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeMachine } from '../dist/build/machine.js'
import { sectionOf, withSection } from './sections.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const path = join(here, 'RESULTS.md')

/** The commit whose code is measured, and its day. */
export function printCode() {
  const git = (/** @type {string[]} */ ...parameters) => execFileSync('git', parameters, { cwd: here, encoding: 'utf8' }).trim()
  const changes = git('status', '--porcelain', '--', '../src') === '' ? '' : ', with changes'
  return `Code: ${git('log', '-1', '--format=%h of %cs')}${changes}.`
}

/**
 * Puts sections into the section of this machine, each in the place of the one with its heading. What stands before the first
 * of them there becomes `head`, where it is given.
 * @param {readonly string[]} sections
 * @param {string} [head]
 */
export function writeSections(sections, head) {
  const { model, cores } = describeMachine()
  const heading = `## ${model}, ${cores} cores`
  const results = readFileSync(path, 'utf8')
  const old = sectionOf(results, heading) || `${heading}\n`
  const first = old.search(/^### /m)
  const kept = first < 0 ? '' : old.slice(first)
  const before = head === undefined ? old.slice(0, first < 0 ? undefined : first) : `${heading}\n\n${head}`
  const replaced = sections.reduce((text, section) => withSection(text, headingOf(section), section), kept)
  writeFileSync(path, withSection(results, heading, `${before.trimEnd()}\n\n${replaced}`))
}

/** @param {string} section */
function headingOf(section) {
  return section.slice(0, section.indexOf('\n'))
}
