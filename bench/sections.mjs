// Sections of a Markdown file, from a heading of two # to the next.

/**
 * The section under `## title` with its heading, or nothing.
 * @param {string} text
 * @param {string} title
 */
export function sectionOf(text, title) {
  const begin = text.indexOf(`## ${title}\n`)
  if (begin < 0) return ''
  const end = text.indexOf('\n## ', begin)
  return text.slice(begin, end < 0 ? text.length : end + 1)
}

/**
 * The text with the section of that title replaced, or put at its end where there was none.
 * @param {string} text
 * @param {string} title
 * @param {string} section with its heading
 */
export function withSection(text, title, section) {
  const old = sectionOf(text, title)
  return old === '' ? `${text.trimEnd()}\n\n${section.trimEnd()}\n` : text.replace(old, () => `${section.trimEnd()}\n${old.endsWith('\n\n') ? '\n' : ''}`)
}
