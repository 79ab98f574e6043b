import { Command } from 'commander'
import type { PackedTopology } from '../topology/packed.ts'
import type { ParameterDeclaration } from '../topology/parameters.ts'
import { jsonOption } from './options.ts'
import { printJson, printResult, table } from './output.ts'

export function list(): Command {
  return new Command('list')
    .description('List the topologies that come with Holdfast, and their parameters.')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  npx holdfast list
  npx holdfast up shared-auth --set nodes=5
  npx holdfast check ./lab.nix          a topology of your own is given by its path`,
    )
    .action(async (options: { json?: boolean }) => {
      const { shippedTopologies } = await import('../topology/load.ts')
      const shipped = await shippedTopologies()
      if (options.json) printJson(Object.entries(shipped).map(described))
      else printResult(listText(shipped))
    })
}

function described([name, { summary, parameters }]: [string, PackedTopology]) {
  return { name, summary, parameters }
}

/** The topologies in the order of their names, each with its parameters. */
export function listText(shipped: Readonly<Record<string, PackedTopology>>): string {
  const blocks = Object.entries(shipped).map(([name, { summary, parameters }]) => {
    const rows = Object.entries(parameters).map(([parameter, declaration]) => [
      `  ${parameter}`,
      String(declaration.default ?? '-'),
      range(declaration),
      declaration.summary,
    ])
    return `${name}\n  ${summary}\n\n${table(['  --set', 'default', 'values', 'what it changes'], rows)}`
  })
  return blocks.join('\n\n')
}

function range(declaration: ParameterDeclaration): string {
  if ('min' in declaration) return `${declaration.min} to ${declaration.max}`
  if ('oneOf' in declaration) return declaration.oneOf.join(', ')
  return 'duration' in declaration ? 'a duration: 30s, 10m, 2h' : 'true, false'
}
