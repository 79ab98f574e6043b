import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Plan } from '../topology/plan.ts'
import { runAgents } from './agents.ts'
import type { RunSettings } from './protocol.ts'

/**
 * The agents of one or more nodes: `main.ts run --plan plan.json --settings settings.json NODE...`.
 * Speaks `protocol.ts` on stdin and stdout, and ends when stdin does.
 */
function main(): void {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { plan: { type: 'string' }, settings: { type: 'string' } },
  })
  const { plan: planFile, settings: settingsFile } = values
  const [command, ...nodes] = positionals
  if (command !== 'run' || !planFile || !settingsFile || nodes.length === 0) {
    process.stderr.write('usage: holdfast-node run --plan FILE --settings FILE NODE...\n')
    process.exit(2)
  }
  const plan = JSON.parse(readFileSync(planFile, 'utf8')) as Plan
  const unknown = nodes.filter((node) => plan.nodes[node] === undefined)
  if (plan.format !== 2 || unknown.length > 0) {
    process.stderr.write(`${planFile} is not a plan of format 2 with a node ${unknown.join(', ')}\n`)
    process.exit(2)
  }
  const settings = JSON.parse(readFileSync(settingsFile, 'utf8')) as RunSettings
  runAgents(plan, nodes, settings, { input: process.stdin, output: process.stdout })
}

main()
