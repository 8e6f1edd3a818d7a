import { continuation, type TokenizerContract } from './contract.ts'

/** What Hugging Face's WordPiece decoder leaves of a piece with the space before it, where it cleans up. */
const cleaned: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [' do not', " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
]

/** [pieces] what each piece writes in the middle of a text: a space and its text, or what goes on with a word. */
export function writtenWordpieces({ pieces, cleanUp }: TokenizerContract): Uint8Array[] {
  return pieces.map(({ bytes, type }) => {
    const text = Buffer.from(bytes).toString('utf8')
    if (text === '') return new Uint8Array(0)
    const written = type === 'normal' && text.startsWith(continuation) ? text.slice(continuation.length) : ` ${text}`
    return Buffer.from(cleanUp ? cleaned.reduce((left, [from, to]) => left.replaceAll(from, to), written) : written)
  })
}
