import { shippedTopologies } from '../topology/load.ts'
import { type PackedTopology, unpack } from '../topology/packed.ts'
import { type ParameterDeclaration, readParameters } from '../topology/parameters.ts'
import type { Topology } from '../topology/schema.ts'
import { columnsOf, hanging, printJson, printResult, table } from './output.ts'

export async function list({ backends, json }: { backends?: boolean; json?: boolean }): Promise<void> {
  if (backends) return listBackends(json)
  const shipped = await shippedTopologies()
  if (!json) return printResult(listText(shipped))
  printJson(
    Object.entries(shipped).map(([name, packed]) => {
      const { summary, parameters } = packed
      const networks = declaredNetworks(name, packed)
      return { name, summary, ...(networks.length > 0 && { networks }), parameters }
    }),
  )
}

/** What nodes can have on each backend, and what of that this machine lacks. */
async function listBackends(json?: boolean): Promise<void> {
  const [{ backends }, { backendsHere, backendsText }] = await Promise.all([
    import('../shipped.ts'),
    import('./backends-text.ts'),
  ])
  const here = await backendsHere(backends)
  if (json) printJson(here)
  else printResult(backendsText(here))
}

/** The topologies in the order of their names, each with its parameters. */
export function listText(shipped: Readonly<Record<string, PackedTopology>>): string {
  const blocks = Object.entries(shipped).map(([name, packed]) => {
    const { summary, parameters } = packed
    const rows = Object.entries(parameters).map(([parameter, declaration]) => [
      `  ${parameter}`,
      String(declaration.default ?? '-'),
      range(declaration),
      declaration.summary,
    ])
    const networks = declaredNetworks(name, packed).join(', ')
    const about = [summary, ...(networks === '' ? [] : [`networks: ${networks}`])].map((line) =>
      hanging(`  ${line}`, columnsOf(process.stdout), 2),
    )
    return `${name}\n${about.join('\n')}\n\n${table(['  --set', 'default', 'values', 'what it changes'], rows)}`
  })
  return blocks.join('\n\n')
}

/** With its own defaults. */
function declaredNetworks(name: string, packed: PackedTopology): string[] {
  const value = unpack(packed, readParameters(name, packed.parameters, {})) as Partial<Topology>
  return Object.keys(value.networks ?? {})
}

function range(declaration: ParameterDeclaration): string {
  if ('min' in declaration) return `${declaration.min} to ${declaration.max}`
  if ('oneOf' in declaration) return declaration.oneOf.join(', ')
  return 'duration' in declaration ? 'a duration: 30s, 10m, 2h' : 'true, false'
}
