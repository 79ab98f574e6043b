import { randomUUID } from 'node:crypto'
import type { SiteNode } from '../backends/backend.ts'
import { listenAsPeer } from '../counterparts/peer/scripted-peer.ts'
import { issueLeaf } from '../pki/authority.ts'
import type { Identity } from '../pki/certificate.ts'
import type { Pretence } from '../pki/spoiled.ts'
import type { Seat } from '../protocols/seat.ts'
import { NotInPlan, seatFoundBy } from '../site/site-files.ts'
import { mutateClaims } from '../tokens/forge.ts'
import { steps, type Variant } from './attack.ts'
import type { Lab } from './lab.ts'
import { demanded } from './outcome.ts'
import { unharmed } from './unharmed.ts'

/** One of the CA of the dialer. */
export const ofDialersCa: MakeCertificate = async (peer, lab) =>
  issueLeaf({ ...peer, authority: await lab.authority('target') })

/** What a server presents that is not the peer, out of what the peer itself would. */
export type MakeCertificate = (peer: Pretence & { address: string }, lab: Lab) => Promise<Identity>

const withinMs = 5_000
const headEnd = '\r\n\r\n'
/** The name of a peer that is there for the attack only. */
const mirror = 'mirror'

/** What stands for the peer in the endpoint, if not its host; and what is demanded, in words. */
type Dialled = { readonly at?: 'address'; readonly text?: string }

/**
 * A server in the place of a peer, which the target dials after an honest one, with a token of its own: it must give up for `reason`
 * before it has sent a byte of its request.
 */
export function impostor(reason: string, certificate: MakeCertificate, { at, text }: Dialled = {}): Variant {
  return steps(demanded(text ?? `no byte of the request is sent: ${reason}`), (lab) =>
    unharmed(lab, async () => {
      try {
        await dialledInTurn(lab, reason, certificate, at)
      } finally {
        await forget(lab)
      }
    }),
  )
}

async function dialledInTurn(lab: Lab, reason: string, certificate: MakeCertificate, at?: 'address'): Promise<void> {
  const { node, domain } = peerOf(lab)
  const { host } = node
  const address = seatOf(lab).address!
  const authority = await lab.site.authority(lab.plan.trustDomains[domain]!.ca)
  const peer = { authority, subject: host, sans: [host], address }
  await using honest = await listen(lab, await issueLeaf(peer))
  await dial(lab, host, honest.port)
  // A head may come in parts, and the token is in none but the whole.
  const hears = () =>
    honest.connections.map((connection) => connection.received()).find((text) => text.includes(headEnd))
  const heard = await lab.site.until('the honest server hears the dialer', hears, { withinMs })
  const [head = ''] = heard.split(headEnd)
  lab.demand(
    /^authorization: bearer ey/im.test(head),
    `it sends no token to an honest server, but ${head.length} bytes`,
  )

  await using other = await listen(lab, await certificate(peer, lab))
  const tap = await lab.site.tap(lab.target.node)
  await dial(lab, at === 'address' ? address : host, other.port)
  const refused = async () => (await tap.decisions({ action: 'peering:dial', target: mirror }))[0]
  const refusal = await lab.site.until('the dialer gives up', refused, { withinMs })
  lab.demand(refusal.reason === reason && refusal.guard === 'dial.target', `it gives up for ${refusal.reason}`)
  const isSeen = async () => other.connections.length + other.brokenOff.length > 0 && (await lastError(lab)) === reason
  await lab.site.until(`the dialer has come, and says that it gave up for ${reason}`, isSeen, { withinMs })
  const received = other.connections.map((connection) => connection.received()).join('')
  lab.demand(received === '', `it sends ${received.length} bytes to a server that is not its peer`)
}

/** Where the target finds its peer. */
function seatOf(lab: Lab): Seat {
  return seatFoundBy(lab.site.site, peerOf(lab).node, lab.target.node)
}

async function listen(lab: Lab, certificate: Identity) {
  const open = { type: 'open', version: 1, node: mirror, holdTimeMs: 90_000, session: randomUUID() }
  return lab.site.own(await listenAsPeer({ seat: seatOf(lab), certificate, open }))
}

/** Makes the target dial there, in place of where it dialled before. It takes only a token for that host: an insider makes one. */
async function dial(lab: Lab, host: string, port: number): Promise<void> {
  const { node, domain, token: name } = peerOf(lab)
  await forget(lab)
  const { token = '' } = await lab.site.held(name)
  const key = () => lab.site.signingKey(lab.plan.credentials[name]!.issuer)
  const forHost = async () => mutateClaims(token, await key(), (claims) => ({ ...claims, aud: `https://${host}` }))
  const peerToken = host === node.host ? token : await forHost()
  lab.presents(peerToken)
  const endpoint = `wss://${host}:${port}`
  const record = { name: mirror, endpoint, domains: [], trustDomain: domain, peerToken }
  const { status, body } = await lab.site.operator(lab.target.node).post('/v1/peers', record)
  if (status !== 201) throw new NotInPlan(lab.site.site, `${lab.target.node} takes no peer at ${endpoint}: ${body}`, [])
}

async function forget(lab: Lab): Promise<void> {
  await lab.site.operator(lab.target.node).delete(`/v1/peers/${mirror}`)
}

async function lastError(lab: Lab): Promise<string | undefined> {
  const { json } = await lab.site.operator(lab.target.node).get('/v1/state')
  const { peers } = json as { peers: { name: string; outbound: { lastError?: string } }[] }
  return peers.find(({ name }) => name === mirror)?.outbound.lastError
}

/** A peer that the target dials by the plan, its trust domain, and the token that the target presents there. */
function peerOf({ site, plan, target }: Lab): { node: SiteNode; domain: string; token: string } {
  const dialled = plan.accepts.filter((one) => one.action === target.action && one.target !== target.node)
  const accepted = dialled.find(({ credential }) => plan.credentials[credential]?.holders.includes(target.node))
  if (accepted === undefined) throw new NotInPlan(site.site, `${target.node} dials nobody`, Object.keys(plan.nodes))
  const { credential, target: name } = accepted
  return { node: site.node(name), domain: plan.nodes[name]!.domain, token: credential }
}
