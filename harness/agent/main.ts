import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { KnownSecrets } from '../credentials/known-secrets.ts'
import type { Plan } from '../topology/plan.ts'
import { warmUp } from './https-request.ts'
import { NodeAgent } from './node-agent.ts'
import { killAllTrees } from './process-tree.ts'
import { type FromAgent, type HandedOver, type HandOver, Line, type RunSettings, type ToAgent } from './protocol.ts'

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
  run(plan, nodes, JSON.parse(readFileSync(settingsFile, 'utf8')) as RunSettings)
}

function run(plan: Plan, nodes: string[], settings: RunSettings): void {
  const agents = new Map<string, NodeAgent>()
  let ending = false
  const end = () => {
    if (ending) return
    ending = true
    void Promise.all([...agents.values()].map((agent) => agent.end())).then(() => {
      killAllTrees()
      process.exit(0)
    })
  }
  process.stdout.on('error', end)
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  const line = new Line<FromAgent, ToAgent>(process.stdin, process.stdout, {
    told: ({ refs }) => {
      for (const agent of agents.values()) agent.unitsReady(refs)
    },
    asked: async (request) => agents.get(request.node)?.serve(request),
    ended: end,
  })
  const serve = <Asked extends HandOver>(node: string, body: Asked) =>
    line.ask(node, 'serve', body) as Promise<HandedOver[Asked['kind']]>
  const say = (message: FromAgent) => line.say(message)
  const pause = Promise.withResolvers<void>()
  const shared = { plan, settings, secrets: new KnownSecrets(), say, serve, pause }
  for (const node of nodes) agents.set(node, new NodeAgent(node, shared))
  for (const agent of agents.values()) void agent.start()
  void pause.promise.then(warmUp)
  const allWait = nodes.every((node) => plan.nodes[node]!.units.every(({ after }) => after.length > 0))
  if (allWait) pause.resolve()
}

main()
