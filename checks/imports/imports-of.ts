import { parseSync, Visitor } from 'oxc-parser'

export interface Import {
  /** What the source says, unchanged. */
  specifier: string
  line: number
}

/**
 * Every module that a file names: imports and re-exports with and without `type`, `import()` as expression and as type.
 * A module whose name is computed is reported as `import(…)`: nobody can say where it leads.
 */
export function importsOf(file: string, source: string): Import[] {
  const { program, errors } = parseSync(file, source)
  if (errors.length > 0) throw new Error(`${file} cannot be parsed: ${errors[0]?.message}`)
  const found: Import[] = []
  const add = (specifier: string, at: number) =>
    void found.push({ specifier, line: source.slice(0, at).split('\n').length })
  const named = (node: { source: { value?: unknown; start: number } | null }) => {
    if (node.source !== null) add(String(node.source.value), node.source.start)
  }
  new Visitor({
    ImportDeclaration: named,
    ExportNamedDeclaration: named,
    ExportAllDeclaration: named,
    TSImportType: named,
    ImportExpression: (node) => {
      const name = literalOf(node.source)
      add(name ?? 'import(…)', node.start)
    },
  }).visit(program)
  return found
}

/** The text of a literal; of a template, its fixed beginning, which tells the folder. */
function literalOf(node: { type: string }): string | undefined {
  if (node.type === 'Literal') return String((node as unknown as { value: unknown }).value)
  if (node.type !== 'TemplateLiteral') return undefined
  const [first] = (node as unknown as { quasis: { value: { cooked: string | null } }[] }).quasis
  return first?.value.cooked?.startsWith('.') ? first.value.cooked : undefined
}
