import type { ScenarioSite } from 'holdfast/vitest'
import { ask } from './asking.ts'

// A cluster that shares one token: where things are, and what its operators type.

export const orchestrators = ['orc-1', 'orc-2', 'orc-3'] as const
export const tokenFile = 'etc/holdfast/bearer-node.token'
export const unit = 'orchestrator'

/** URL of a node, as its peers know it: orc-3 is found behind nginx. `direct`: the node itself. */
export function urlOf(site: ScenarioSite, node: string, { direct = false } = {}): string {
  if (node !== 'orc-3') return `https://${site.node(node).host}:8770`
  return direct ? `https://${site.node(node).host}:8771` : `https://${site.node('edge').host}:8770`
}

interface Asked {
  /** The node that is asked. Default: orc-1. */
  readonly at?: string
  /** The node on which it is typed. Default: operator, who has the token. */
  readonly on?: string
  readonly env?: Readonly<Record<string, string>>
  readonly url?: string
}

/** `p2p …` with the token that lies there; answers what it printed as JSON. */
export async function p2p<Json = unknown>(
  site: ScenarioSite,
  words: readonly string[],
  { at = 'orc-1', on = 'operator', env, url = urlOf(site, at) }: Asked = {},
) {
  const node = site.node(on)
  const flags = ['--json', '--p2p-leader', url, '--ca-file', `${node.dir}/anchors/cluster.pem`]
  const own = env ?? { HOLDFAST_CLUSTER_AUTH_TOKEN_FILE: `${node.dir}/${tokenFile}` }
  const options = { env: own, timeoutMs: site.bound(60_000) }
  const { code, stdout, stderr } = await node.exec(['service:p2p', ...flags, ...words], options)
  return { code, stdout, stderr, json: jsonIn<Json>(stdout) }
}

function jsonIn<Json>(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined as Json
  }
}

export interface Status {
  readonly node: string
  readonly role: string
  readonly leader: string | null
  readonly epoch: number
  readonly peers: readonly { readonly id: string; readonly reachable: boolean; readonly peerAuth: string }[]
}

/** What a node says of itself and its peers, read as everybody may. */
export async function statusOf(site: ScenarioSite, node: string): Promise<Status> {
  const { status, body } = await ask(site, { to: node, path: '/v1/status' })
  if (status !== 200) throw new Error(`${node} answered ${status}: ${body}`)
  return JSON.parse(body) as Status
}

/** The node that leads, once all that are there say the same. */
export function leaderOf(
  site: ScenarioSite,
  nodes: readonly string[] = orchestrators,
  withinMs = 30_000,
): Promise<string> {
  return site.until(
    `one leader for ${nodes.join(', ')}`,
    async () => {
      const leaders = await Promise.all(nodes.map(async (node) => (await statusOf(site, node)).leader))
      return new Set(leaders).size === 1 && leaders[0]
    },
    { withinMs, everyMs: 100 },
  ) as Promise<string>
}

/** Some node that does not lead. */
export async function followerOf(site: ScenarioSite): Promise<string> {
  const leader = await leaderOf(site)
  return orchestrators.find((node) => node !== leader)!
}

/** A secret of the form of the token. */
export async function tokenOf(site: ScenarioSite): Promise<string> {
  return (await site.held('cluster-token')).secret!
}

export interface Run {
  readonly runId: string
  readonly state: string
  readonly stages: readonly { readonly name: string; readonly state: string; readonly attempt: number }[]
}

/** Ids of the runs that a node knows. */
export async function runsAt(site: ScenarioSite, node: string): Promise<string[]> {
  const { body } = await ask(site, { to: node, path: '/v1/pipeline/runs?limit=200', token: await tokenOf(site) })
  return (JSON.parse(body) as { runs: Run[] }).runs.map(({ runId }) => runId).toSorted()
}

/** All that could be changed by calls at any node: runs, leader, tokens. */
export async function pictureOf(site: ScenarioSite) {
  const token = await tokenOf(site)
  const at = async (node: string) => {
    const replies = await Promise.all(['/v1/leader', '/v1/auth'].map((path) => ask(site, { to: node, path, token })))
    return { node, runs: await runsAt(site, node), replies: replies.map(({ status, body }) => ({ status, body })) }
  }
  return Promise.all(orchestrators.map(at))
}

/** The process of a node, as it was started last. */
export function pidOf(site: ScenarioSite, node: string): string {
  for (const event of site.site.events().toReversed()) {
    if (event.event === 'unit-started' && event.node === node && event.unit === unit) return String(event.pid)
  }
  throw new Error(`${node} was not started`)
}
