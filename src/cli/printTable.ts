/** Rows in columns, two spaces apart, each line ending with a newline. Cells that are numbers stand at the right. */
export function printTable(rows: readonly (readonly (string | number)[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, String(cell).length)
    })
  }
  const print = (cell: string | number, width: number) =>
    typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width)
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, i) => print(cell, widths[i]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
