import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Plan } from '../topology/plan.ts'
import { NodeAgent } from './node-agent.ts'
import { killAllTrees } from './process-tree.ts'
import { type FromAgent, type RunSettings, readMessages, type ToAgent } from './protocol.ts'

/**
 * The node agent: `main.ts run --plan plan.json --settings settings.json --node NAME --dir DIR`.
 * Speaks `protocol.ts` on stdin and stdout, and ends when stdin does.
 */
function main(): void {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      plan: { type: 'string' },
      settings: { type: 'string' },
      node: { type: 'string' },
      dir: { type: 'string' },
    },
  })
  const { plan: planFile, settings: settingsFile, node, dir } = values
  if (positionals[0] !== 'run' || !planFile || !settingsFile || !node || !dir) {
    process.stderr.write('usage: holdfast-node run --plan FILE --settings FILE --node NAME --dir DIR\n')
    process.exit(2)
  }
  const plan = JSON.parse(readFileSync(planFile, 'utf8')) as Plan
  if (plan.format !== 1 || plan.nodes[node] === undefined) {
    process.stderr.write(`${planFile} is not a plan of format 1 with a node ${node}\n`)
    process.exit(2)
  }
  run(plan, node, dir, JSON.parse(readFileSync(settingsFile, 'utf8')) as RunSettings)
}

function run(plan: Plan, node: string, dir: string, settings: RunSettings): void {
  const send = (message: FromAgent) => void process.stdout.write(`${JSON.stringify(message)}\n`)
  const agent = new NodeAgent({ plan, node, dir, settings, send })
  let ending = false
  const end = () => {
    if (ending) return
    ending = true
    void agent.end().then(() => {
      killAllTrees()
      process.exit(0)
    })
  }
  process.stdout.on('error', end)
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  readMessages<ToAgent>(process.stdin, (message) => agent.handle(message), end)
  agent.start()
}

main()
