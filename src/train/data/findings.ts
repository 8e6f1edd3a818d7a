/** What may be found in texts, and what is done about it. */
export const findingTexts = {
  invalid: 'bytes that are no UTF-8, replaced',
  controls: 'control characters, removed',
  controlsKept: 'control characters, kept',
  folded: 'characters folded to ASCII',
  unfoldable: 'characters without ASCII form, replaced by ?',
  empty: 'empty documents, left out',
  duplicates: 'documents that were there before, left out',
  long: 'documents that are too long, left out',
} as const
export type FindingName = keyof typeof findingTexts

/** How often something was found, in how many documents, and in which first. */
export interface Finding {
  readonly count: number
  readonly documents: number
  readonly first: readonly string[]
}
export type Findings = { readonly [F in FindingName]?: Finding }

/** Tells of `count` findings in one document. */
export type Report = (name: FindingName, place: string, count?: number) => void

const mostPlaces = 5

/** Collects findings; `findings` has them in the order of the table. */
export function collectFindings(): { readonly report: Report; findings(): Findings } {
  const found = new Map<FindingName, { count: number; documents: number; first: string[] }>()
  return {
    report(name, place, count = 1) {
      const finding = found.get(name) ?? { count: 0, documents: 0, first: [] }
      finding.count += count
      finding.documents++
      if (finding.first.length < mostPlaces) finding.first.push(place)
      found.set(name, finding)
    },
    findings() {
      const names = Object.keys(findingTexts) as FindingName[]
      return Object.fromEntries(names.flatMap((name) => (found.has(name) ? [[name, found.get(name)!]] : [])))
    },
  }
}
