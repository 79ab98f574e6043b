import { isUuid } from '../federation-gateway/ids.ts'
import { CommandFailed } from './failure.ts'
import { allOf, type Gateway } from './gateway.ts'

// People say names where the gateway takes ids.

/** Id of an inbound peer that can be given something. @throws CommandFailed */
export async function inboundPeerId(gateway: Gateway, said: string): Promise<string> {
  if (isUuid(said)) return said
  const peers = await allOf(gateway, 'peer:list')
  const named = peers.filter((peer) => peer.direction === 'inbound' && peer.commonName === said)
  const live = named.filter(({ state }) => state !== 'revoked')
  return onlyOne(live.length === 0 ? named : live, `inbound peer ${said}`, 'federation peer list')
}

/** @throws CommandFailed */
export async function userId(gateway: Gateway, said: string): Promise<string> {
  if (isUuid(said)) return said
  const { items } = await gateway.ask('user:list')
  return onlyOne(
    items.filter(({ name }) => name === said),
    `user ${said}`,
    'GET /api/admin/users',
  )
}

/** A grant by its id, or as `PEER/USER`: a peer has one live grant for a user. @throws CommandFailed */
export async function grantId(gateway: Gateway, said: string): Promise<string> {
  const [peerSaid = '', userSaid] = said.split('/')
  if (userSaid === undefined) return said
  const [peer, user] = [await inboundPeerId(gateway, peerSaid), await userId(gateway, userSaid)]
  const all = await allOf(gateway, 'grant:list', { peer })
  const named = all.filter(({ subjectUserId }) => subjectUserId === user)
  const live = named.filter(({ status }) => status === 'pending' || status === 'active')
  return onlyOne(live.length === 0 ? named : live, `grant ${said}`, 'federation grant list')
}

function onlyOne(found: readonly { readonly id: string }[], what: string, list: string): string {
  const [first, ...more] = found
  if (first === undefined) throw new CommandFailed('not_found', `there is no ${what}; see ${list}`)
  if (more.length === 0) return first.id
  throw new CommandFailed(
    'ambiguous',
    `there are ${found.length} of ${what}: ${found.map(({ id }) => id).join(', ')}; say which, by its id`,
  )
}
