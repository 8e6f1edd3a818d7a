/** A C identifier for a name of the model: `blk.*.attn_q+k` → `attn_q_k`, `blk.0.attn_norm` → `blk_0_attn_norm`. */
export function identifier(name: string): string {
  const words = name
    .replace(/^blk\.\*\./, '')
    .replace(/[^A-Za-z0-9_]+/g, '_')
    .replace(/^_+|_+$/g, '')
  return /^[A-Za-z_]/.test(words) ? words : `_${words}`
}

/** Text as it may stand in a C comment: no end or begin of one, no line break, no character that turns or hides others. */
export function commentText(text: string): string {
  return text
    .replace(/[\p{C}\p{Zl}\p{Zp}\\]/gu, '?')
    .replaceAll('*/', '* /')
    .replaceAll('/*', '/ *')
}

/** `#define NAME value` lines with the values in one column, and comments behind them in another. */
export function defineLines(rows: readonly (readonly [name: string, value: string, comment?: string])[]): string[] {
  const names = Math.max(0, ...rows.map(([name]) => name.length))
  const values = Math.max(0, ...rows.map(([, value]) => value.length))
  return rows.map(([name, value, comment]) => {
    const define = `#define ${name.padEnd(names)} `
    return comment === undefined ? define + value : `${define}${value.padStart(values)} /* ${comment} */`
  })
}

/** A C string literal, ASCII whatever the text. */
export function stringLiteral(text: string): string {
  const bytes = [...new TextEncoder().encode(text)]
  const escaped = bytes.map((byte) => {
    const isPlain = byte >= 32 && byte < 127 && byte !== 34 && byte !== 92 && byte !== 63
    return isPlain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`
  })
  return `"${escaped.join('')}"`
}

/** `head(first, second, ...);` broken after commas at 120 columns, continued under the first argument. */
export function wrapCall(indent: string, head: string, args: readonly string[]): string {
  return wrapList(`${indent}${head}(`, args, ');')
}

/** `open` first, second, ... `close`, broken after commas at 120 columns and continued under the first item. */
export function wrapList(open: string, items: readonly string[], close: string): string {
  const hang = ' '.repeat(open.length)
  const lines: string[] = []
  let line = open
  items.forEach((item, i) => {
    const piece = item + (i < items.length - 1 ? ',' : close)
    const isFirst = line === open || line === hang
    if (!isFirst && line.length + 1 + piece.length > 120) {
      lines.push(line)
      line = hang + piece
    } else line += isFirst ? piece : ` ${piece}`
  })
  return [...lines, line].join('\n')
}
