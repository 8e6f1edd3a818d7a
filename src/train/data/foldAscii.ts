/** Characters that Unicode decomposes into nothing of ASCII, and how they are written in it all the same. */
const written: { readonly [character: string]: string } = {
  ...{ '‘': "'", '’': "'", '‚': "'", '‛': "'", '′': "'", '“': '"', '”': '"', '„': '"', '‟': '"', '″': '"' },
  ...{ '«': '"', '»': '"', '‹': "'", '›': "'", '‐': '-', '‑': '-', '‒': '-', '–': '-', '—': '--', '―': '--', '−': '-' },
  ...{ '•': '*', '·': '*', '×': 'x', '÷': '/', '⁄': '/', '€': 'EUR', '£': 'GBP', '¥': 'JPY', '¢': 'c', '©': '(c)' },
  ...{ '®': '(r)', '°': ' deg', '§': 'S.', '¶': '', '¡': '!', '¿': '?', '\u00ad': '', '\u200b': '', '\ufeff': '' },
  ...{ ß: 'ss', ẞ: 'SS', æ: 'ae', Æ: 'AE', œ: 'oe', Œ: 'OE', ø: 'o', Ø: 'O', đ: 'd', Đ: 'D', ð: 'd', Ð: 'D' },
  ...{ þ: 'th', Þ: 'Th', ł: 'l', Ł: 'L', ħ: 'h', Ħ: 'H', ı: 'i' },
}

/** A text in ASCII, how many characters were folded, and how many have no ASCII form and became `?`. */
export function foldAscii(text: string): {
  readonly text: string
  readonly folded: number
  readonly unfoldable: number
} {
  let folded = 0
  let unfoldable = 0
  // A letter and the marks that stand on it are one character.
  const out = text.replace(/[\0-\x7f]?(?:[^\0-\x7f]\p{M}*)/gu, (found) => {
    const start = found.charCodeAt(0) < 128 ? found[0]! : ''
    const folds = fold(found.slice(start.length))
    if (folds === undefined) unfoldable++
    else folded++
    return start + (folds ?? '?')
  })
  return { text: out, folded, unfoldable }
}

function fold(character: string): string | undefined {
  let out = ''
  let hasMarks = false
  for (const part of character.normalize('NFKD')) {
    if (/^\p{M}$/u.test(part)) hasMarks = true
    else {
      const ascii = part.charCodeAt(0) < 128 ? part : written[part]
      if (ascii === undefined) return undefined
      out += ascii
    }
  }
  return out !== '' || hasMarks || character in written ? out : undefined
}
