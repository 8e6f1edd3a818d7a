// A made-up byte-level BPE vocabulary of any size: 256 bytes, all pairs of bytes, then triples, then two control tokens.

/**
 * GPT-2's printable stand-in for each byte: printable Latin-1 stands for itself, the rest follow from U+0100 on.
 * @returns {string[]} 256 characters
 */
function byteCharacters() {
  const stands = (/** @type {number} */ byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173)
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(stands(byte) ? byte : next++))
}

/**
 * Tokens, merges ("left right", in rank order) and GGUF token types of a vocabulary of `size` tokens; the last two are
 * control tokens. Every merge joins tokens that exist.
 * @param {number} size between 66,000 and 16,000,000
 */
export function synthVocabulary(size) {
  const bytes = byteCharacters()
  const tokens = [...bytes]
  const merges = []
  const ordinary = size - 2
  for (let pair = 0; pair < 65536; pair++) {
    const [left, right] = [bytes[pair >> 8], bytes[pair & 255]]
    tokens.push(`${left}${right}`)
    merges.push(`${left} ${right}`)
  }
  for (let triple = 0; tokens.length < ordinary; triple++) {
    const [left, right] = [tokens[256 + (triple >> 8)], bytes[triple & 255]]
    tokens.push(`${left}${right}`)
    merges.push(`${left} ${right}`)
  }
  const types = new Int32Array(size).fill(1)
  types.fill(3, ordinary)
  tokens.push('<|endoftext|>', '<|im_end|>')
  return { tokens, merges, types, endOfText: size - 2, endOfTurn: size - 1 }
}
