import { KnownSecrets } from '../credentials/known-secrets.ts'
import type { Plan } from '../topology/plan.ts'
import { warmUp } from './https-request.ts'
import { NodeAgent } from './node-agent.ts'
import { killAllTrees } from './process-tree.ts'
import { type FromAgent, type HandedOver, type HandOver, Line, type RunSettings, type ToAgent } from './protocol.ts'

/** The two ways of the line to the coordinator. */
export interface LineEnds {
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
}

/** Runs the agents of these nodes in this process, which ends with the line's input. */
export function runAgents(
  plan: Plan,
  nodes: readonly string[],
  settings: RunSettings,
  { input, output }: LineEnds,
): void {
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
  output.on('error', end)
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  const line = new Line<FromAgent, ToAgent>(input, output, {
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
