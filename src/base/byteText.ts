const units: Readonly<Record<string, number>> = { '': 1, K: 1e3, M: 1e6, G: 1e9, T: 1e12 }

/** The bytes that a text such as "512MiB", "2 GiB", "1.5GB" or "100000" means; undefined: it means none. */
export function bytesIn(text: string): number | undefined {
  const [, count, unit] = /^(\d+(?:\.\d+)?) ?(?:([KMGT]?i?)B)?$/.exec(text) ?? []
  if (count === undefined || unit === 'i') return undefined
  const factor = unit?.endsWith('i') ? 1024 ** (1 + 'KMGT'.indexOf(unit[0]!)) : units[unit ?? '']!
  const bytes = Math.floor(Number(count) * factor)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}
