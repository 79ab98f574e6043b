import type { Shown } from '../shared/client-commands.ts'
import { textTable } from '../shared/text-table.ts'
import { type Disagreement, disagreementsIn } from './disagreements.ts'
import { type AskedNode, type SeenStatus, statusOfEach } from './each-node.ts'
import { EXIT } from './failure.ts'
import type { Cluster } from './open-cluster.ts'

type Seen = AskedNode<SeenStatus>

/** Shows how each node sees the others: who refuses whom is told by either side, even where the other one is not reached. */
export async function showNodes(cluster: Cluster): Promise<Shown> {
  const nodes = await statusOfEach(cluster)
  const refusals = disagreementsIn(nodes.flatMap(({ answer }) => (answer === undefined ? [] : [answer.status])))
  return {
    json: { nodes: nodes.map(jsonOf), refusals },
    text: [textTable(HEADER, nodes.map(row)), ...closing(nodes, refusals)].join('\n\n'),
    exitCode: exitOf(nodes, refusals),
  }
}

const HEADER = ['node', 'url', 'role', 'leader', 'epoch', 'sees']
const WORDS = { ok: 'ok', refused_us: 'refuses us', we_refused: 'refused by us', unknown: 'unknown' } as const

function row({ id, url, answer, failure }: Seen): string[] {
  if (answer === undefined) return [id, url, '-', '-', '-', failure!.code]
  const { role, leader, epoch, peers } = answer.status
  const others = peers.filter((peer) => peer.id !== id)
  const sees = others.map((peer) => `${peer.id} ${isLost(peer) ? 'lost' : WORDS[peer.peerAuth]}`)
  return [id, url, role, leader ?? 'none', String(epoch), sees.join(', ') || 'no peers']
}

/** Who refuses, or is refused, is there. */
function isLost({ reachable, peerAuth }: SeenStatus['status']['peers'][number]): boolean {
  return !reachable && (peerAuth === 'ok' || peerAuth === 'unknown')
}

function jsonOf({ id, url, answer, failure }: Seen): object {
  return answer === undefined ? { id, url, error: failure!.code, message: failure!.message } : { id, url, ...answer }
}

function closing(nodes: readonly Seen[], refusals: readonly Disagreement[]): string[] {
  const lines = [
    ...nodes.flatMap(({ id, answer }) => (answer?.isTokenRefused ? [`! ${id} refuses the token of this command`] : [])),
    ...refusals.map(({ by, of }) => `! ${by} refuses the token of ${of}`),
  ]
  return lines.length === 0 ? [] : [[...lines, 'see who sends and accepts which: p2p token check'].join('\n')]
}

function exitOf(nodes: readonly Seen[], refusals: readonly Disagreement[]): number {
  const isRefused = nodes.some(({ answer, failure }) => answer?.isTokenRefused || failure?.exitCode === EXIT.refused)
  if (isRefused || refusals.length > 0) return EXIT.refused
  const isWhole = nodes.every(({ answer }) => answer !== undefined)
  return isWhole && nodes.some(({ answer }) => answer?.status.leader != null) ? EXIT.done : EXIT.unreachable
}
