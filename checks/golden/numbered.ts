/** The number of a text in a list that it is entered in when it is new: what is said many times is written down once. */
export function numberIn(known: string[], one: string): number {
  const at = known.indexOf(one)
  return at >= 0 ? at + 1 : known.push(one)
}

export function numbered(lines: readonly string[]): string[] {
  return lines.map((line, at) => `  ${at + 1}: ${line}`)
}
