import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { KnownSecrets } from '../credentials/known-secrets.ts'
import type { Plan } from '../topology/plan.ts'
import { warmUp } from './https-request.ts'
import { NodeAgent } from './node-agent.ts'
import { killAllTrees } from './process-tree.ts'
import {
  type FromAgent,
  type HandedOver,
  type HandOver,
  PendingAnswers,
  type RunSettings,
  readMessages,
  type ToAgent,
} from './protocol.ts'

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
  const answers = new PendingAnswers()
  const send = (message: FromAgent) => void process.stdout.write(`${JSON.stringify(message)}\n`)
  const serve = <Asked extends HandOver>(to: string, body: Asked) =>
    answers.ask<HandedOver[Asked['kind']]>(to, (id) => send({ type: 'ask', id, to, op: 'serve', body }))
  const pause = Promise.withResolvers<void>()
  const shared = { plan, settings, secrets: new KnownSecrets(), send, serve, pause }
  const agents = new Map(nodes.map((node) => [node, new NodeAgent(node, shared)]))
  const handle = (message: ToAgent): void => {
    if (message.type === 'answer') answers.settle(message)
    else if (message.type === 'request') void agents.get(message.node)?.serve(message)
    else for (const agent of agents.values()) agent.unitsReady(message.refs)
  }
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
  readMessages<ToAgent>(process.stdin, handle, end)
  for (const agent of agents.values()) void agent.start()
  void pause.promise.then(warmUp)
  const allWait = nodes.every((node) => plan.nodes[node]!.units.every(({ after }) => after.length > 0))
  if (allWait) pause.resolve()
}

main()
