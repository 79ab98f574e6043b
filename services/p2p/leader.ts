import type { Shown } from '../shared/client-commands.ts'
import { inColumns, plainText } from '../shared/text-table.ts'
import { CommandFailed, EXIT } from './failure.ts'
import type { Cluster } from './open-cluster.ts'
import { ordered } from './order.ts'
import { handedOver, leader } from './wire.ts'

/** @throws CommandFailed where nobody leads */
export async function showLeader({ node, repeats }: Cluster): Promise<Shown> {
  const found = await node.askAgain({ path: '/v1/leader' }, leader, repeats)
  const { leader: id, epoch, url } = found
  if (id === null) {
    const text = `${node.url.host} knows no leader (epoch ${epoch}); see p2p nodes`
    throw new CommandFailed('leader_unknown', text, EXIT.unreachable)
  }
  return {
    json: found,
    text: inColumns([
      ['leader', id],
      ['epoch', String(epoch)],
      ['url', url ?? '-'],
    ]),
  }
}

/** @throws CommandFailed where that node does not vote, or does not take over */
export async function transferLead({ node, repeats }: Cluster, to: string): Promise<Shown> {
  const found = await node.askAgain(ordered('/v1/leader/transfer', { to }), handedOver, repeats)
  return { json: found, text: `${plainText(found.to)} is told to lead; see p2p leader` }
}
