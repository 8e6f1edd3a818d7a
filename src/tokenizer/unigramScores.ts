/** How much worse an unknown character is than the worst piece (kUnkPenalty of SentencePiece and Hugging Face tokenizers). */
const unknownPenalty = 10

/** The score of a character without a piece, from those of the pieces that count. */
export function unknownScoreOf(scores: readonly number[]): number {
  const lowest = scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY)
  return (Number.isFinite(lowest) ? lowest : 0) - unknownPenalty
}
