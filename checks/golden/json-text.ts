const width = 120

/** What `--json` prints, in its order, with whatever fits on one line on one line: so that a change can be read. */
export function jsonText(value: unknown): string {
  return `${broken(JSON.parse(JSON.stringify(value)), '')}\n`
}

function broken(value: unknown, indent: string): string {
  const flat = JSON.stringify(value)
  if (typeof value !== 'object' || value === null || indent.length + flat.length <= width) return flat
  const inner = `${indent}  `
  const members = Array.isArray(value)
    ? value.map((member) => inner + broken(member, inner))
    : Object.entries(value).map(([name, member]) => `${inner}${JSON.stringify(name)}: ${broken(member, inner)}`)
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  return `${open}\n${members.join(',\n')}\n${indent}${close}`
}
