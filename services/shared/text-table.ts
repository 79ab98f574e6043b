/**
 * Rows below a header, in columns as wide as their widest cell. What stands in a cell may have come from elsewhere: characters that
 * a terminal would take for commands (C0, C1, DEL) are shown as `?`.
 */
export function textTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return inColumns([header.map((cell) => cell.toUpperCase()), ...rows])
}

/** The same without a header: names of members, and what they are. */
export function inColumns(rows: readonly (readonly string[])[]): string {
  const all = rows.map((row) => row.map(plainText))
  const columns = Math.max(...all.map(({ length }) => length))
  const widths = Array.from({ length: columns }, (_, column) => {
    return Math.max(...all.map((row) => [...(row[column] ?? '')].length))
  })
  const padded = (cell: string, column: number) => cell + ' '.repeat(widths[column]! - [...cell].length)
  return all.map((row) => row.map(padded).join('  ').trimEnd()).join('\n')
}

/** One line without anything that a terminal would take for a command. */
export function plainText(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?')
}
