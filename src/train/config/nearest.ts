/** The word of a list that is nearest to one that is not in it: fewest letters added, taken, changed or swapped. */
export function nearestWord(found: string, words: readonly string[]): string | undefined {
  const near = words
    .map((word) => ({ word, distance: distanceOf(found.toLowerCase(), word.toLowerCase()) }))
    .toSorted((a, b) => a.distance - b.distance)[0]
  return near && near.distance <= Math.max(2, Math.floor(near.word.length / 3)) ? near.word : undefined
}

/** What is accepted in place of a word: the nearest one as a question where there is one, then all of them. */
export function nearestOf(found: string, words: readonly string[]): string {
  const near = nearestWord(found, words)
  return near === undefined ? words.join(', ') : `'${near}'? (of ${words.join(', ')})`
}

/** Damerau's distance with neighbours that changed places. */
function distanceOf(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...new Array<number>(b.length).fill(0)])
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      const best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + (isSame ? 0 : 1))
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      rows[i]![j] = isSwapped ? Math.min(best, rows[i - 2]![j - 2]! + 1) : best
    }
  }
  return rows[a.length]![b.length]!
}
