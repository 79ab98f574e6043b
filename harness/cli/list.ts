import { shippedTopologies } from '../topology/load.ts'
import type { PackedTopology } from '../topology/packed.ts'
import type { ParameterDeclaration } from '../topology/parameters.ts'
import { columnsOf, hanging, printJson, printResult, table } from './output.ts'

export async function list({ json }: { json?: boolean }): Promise<void> {
  const shipped = await shippedTopologies()
  if (!json) return printResult(listText(shipped))
  printJson(Object.entries(shipped).map(([name, { summary, parameters }]) => ({ name, summary, parameters })))
}

/** The topologies in the order of their names, each with its parameters. */
function listText(shipped: Readonly<Record<string, PackedTopology>>): string {
  const blocks = Object.entries(shipped).map(([name, { summary, parameters }]) => {
    const rows = Object.entries(parameters).map(([parameter, declaration]) => [
      `  ${parameter}`,
      String(declaration.default ?? '-'),
      range(declaration),
      declaration.summary,
    ])
    return `${name}\n${hanging(`  ${summary}`, columnsOf(process.stdout), 2)}\n\n${table(['  --set', 'default', 'values', 'what it changes'], rows)}`
  })
  return blocks.join('\n\n')
}

function range(declaration: ParameterDeclaration): string {
  if ('min' in declaration) return `${declaration.min} to ${declaration.max}`
  if ('oneOf' in declaration) return declaration.oneOf.join(', ')
  return 'duration' in declaration ? 'a duration: 30s, 10m, 2h' : 'true, false'
}
