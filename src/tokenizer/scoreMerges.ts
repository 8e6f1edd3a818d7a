/**
 * The merges that give what SentencePiece's scores give: every pair of pieces that joins to a piece, in falling order of that
 * one's score. Of equal scores the longer left part comes first, then the longer right one, as Hugging Face's converter of such
 * vocabularies has it. `isMerged`: whether text may become the piece of an id.
 */
export function scoreMerges(
  texts: readonly string[],
  scores: ArrayLike<number>,
  isMerged: (id: number) => boolean,
): readonly (readonly [left: string, right: string])[] {
  const ids = new Map(texts.flatMap((text, id) => (isMerged(id) && text !== '' ? [[text, id] as const] : [])))
  const pairs = [...ids].flatMap(([text, id]) =>
    cutsOf(text).flatMap(({ left, right, at }) =>
      ids.has(left) && ids.has(right) ? [{ left, right, at, score: scores[id] ?? 0 }] : [],
    ),
  )
  const length = ({ right }: { readonly right: string }) => Array.from(right).length
  return pairs
    .toSorted((a, b) => b.score - a.score || b.at - a.at || length(b) - length(a))
    .map(({ left, right }) => [left, right])
}

/** The ways to cut a text between two characters; `at`: characters of the left part. */
function cutsOf(text: string): readonly { readonly left: string; readonly right: string; readonly at: number }[] {
  const characters = Array.from(text)
  return characters.slice(1).map((_, i) => {
    const at = i + 1
    return { left: characters.slice(0, at).join(''), right: characters.slice(at).join(''), at }
  })
}
