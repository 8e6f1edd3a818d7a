// Sections of a Markdown file: a heading and all up to the next one of its level or above.

/**
 * The section that begins with this heading (`## Title`), or nothing.
 * @param {string} text
 * @param {string} heading
 */
export function sectionOf(text, heading) {
  const begin = text.startsWith(`${heading}\n`) ? 0 : text.indexOf(`\n${heading}\n`) + 1
  if (begin === 0 && !text.startsWith(`${heading}\n`)) return ''
  const level = heading.indexOf(' ')
  const next = text.slice(begin + heading.length).search(new RegExp(`\n#{1,${level}} `))
  return next < 0 ? text.slice(begin) : text.slice(begin, begin + heading.length + next + 1)
}

/**
 * The text with the section of this heading replaced, or put at its end where there was none.
 * @param {string} text
 * @param {string} heading
 * @param {string} section with its heading
 */
export function withSection(text, heading, section) {
  const old = sectionOf(text, heading)
  if (old === '') return `${[text.trimEnd(), section.trimEnd()].filter(Boolean).join('\n\n')}\n`
  return text.replace(old, () => `${section.trimEnd()}\n${old.endsWith('\n\n') ? '\n' : ''}`)
}
