import type { SiteNode } from '../../backends/backend.ts'
import { listenAsPeer } from '../../counterparts/peer/scripted-peer.ts'
import {
  issueLeaf,
  type LeafOptions,
  type OtherName,
  rogueAuthority,
  type SigningAuthority,
} from '../../pki/authority.ts'
import type { Identity } from '../../pki/certificate.ts'
import { spoiled } from '../../pki/spoiled.ts'
import { NotInPlan } from '../../site/site-files.ts'
import { mutateClaims } from '../../tokens/forge.ts'
import { cases, type Variant } from '../attack.ts'
import type { Lab } from '../lab.ts'
import { demanded } from '../outcome.ts'
import { unharmed } from '../unharmed.ts'

/** Authorities that a hostile server may have a certificate of. */
interface Signers {
  readonly peers: SigningAuthority
  readonly dialers: SigningAuthority
  readonly nobodys: SigningAuthority
}

type MakeCertificate = (host: string, by: Signers, address: string) => Promise<Identity>

/** A server in the peer's place: the dialer must give up for `reason` before it has sent a byte of its request. */
const impostor = (reason: string, certificate: MakeCertificate, at?: (lab: Lab) => string): Variant => ({
  expect: demanded(`no byte of the request is sent: ${reason}`),
  attack: (lab) => dialled(lab, reason, certificate, at?.(lab)),
})

/** A certificate of the peer's own CA with names that are not the host's. */
const named = (sans: (host: string) => LeafOptions['sans']): Variant =>
  impostor('server_name_mismatch', (host, { peers }) =>
    issueLeaf({ authority: peers, subject: host, sans: sans(host) }),
  )

/** Servers that a dialer meets where its peer should be. */
export const servers = cases(['dialer'], {
  'TLS-11': {
    title: 'a server is known by its DNS name in the certificate, whole and unabridged, before the token is sent',
    source: 'RFC 9525 sections 2, 6.3 and 6.6; CVE-2021-44532; CVE-2021-44533',
    variants: {
      'the host as common name only': named(() => []),
      'the name of another host': named(() => ['evil.test']),
      'a wildcard for the host': named((host) => [host.replace(/^[^.]+/, '*')]),
      'a wildcard two labels up': named((host) => [host.replace(/^[^.]+\.[^.]+/, '*')]),
      'two wildcards': named((host) => [host.replace(/^[^.]+\.[^.]+/, '*.*')]),
      'a wildcard within a label': named((host) => [host.replace(/^([^.]{2})[^.]*/, '$1*')]),
      'the host with a trailing dot': named((host) => [`${host}.`]),
      'the host before a NUL': named((host) => [`${host}\0.evil.test`]),
      'the host in another entry’s text': named((host) => [`evil.test, DNS:${host}`]),
      'the host below another': named((host) => [`${host}.evil.test`]),
      'the host as URI': named((host) => [uri(host)]),
      'the host as mail address': named((host) => [{ type: 'email', value: `admin@${host}` }]),
      'the host as user principal': named((host) => [{ type: 'upn', value: host }]),
      'an address, written as DNS name': impostor(
        'server_name_mismatch',
        (host, { peers }, address) => issueLeaf({ authority: peers, subject: host, sans: [address] }),
        (lab) => peerOf(lab).address,
      ),
    },
  },
  'TLS-12': {
    title: 'the name of a peer is vouched for by the CA of that peer alone, before the token is sent',
    source: 'SPIFFE Federation section 4.1; RFC 8705 section 7.4',
    variants: {
      "by the dialer's own CA": {
        ...impostor('server_untrusted', (host, { dialers }) =>
          issueLeaf({ authority: dialers, subject: host, sans: [host] }),
        ),
        needs: ['dialer', 'two-issuers'],
      },
      'by a CA that nobody trusts': impostor('server_untrusted', (host, { nobodys }) =>
        issueLeaf({ authority: nobodys, subject: host, sans: [host] }),
      ),
      'by itself, with the peer’s CA beside it': impostor('server_untrusted', async (host, { peers, nobodys }) => {
        const { certPem, keyPem } = await issueLeaf({ authority: nobodys, subject: host, sans: [host] })
        return { certPem: certPem + peers.intermediatesPem + peers.anchorPem, keyPem }
      }),
      'by a leaf of the right CA': spoiledServer('leafSignedByLeaf'),
      'of the right CA, for clients only': spoiledServer('clientAuthOnly'),
      'of the right CA, expired': spoiledServer('expired'),
      'of the right CA, signed with SHA-1': spoiledServer('sha1Signed'),
    },
  },
})

function spoiledServer(spoiling: 'leafSignedByLeaf' | 'clientAuthOnly' | 'expired' | 'sha1Signed'): Variant {
  return impostor('server_untrusted', (host, { peers }) =>
    spoiled[spoiling]({ authority: peers, subject: host, sans: [host] }),
  )
}

function uri(host: string): OtherName {
  return { type: 'url', value: `https://${host}` }
}

const withinMs = 5_000

/** Has the target dial an honest server and then the impostor, with a token of its own. */
function dialled(
  lab: Lab,
  ...how: [reason: string, certificate: MakeCertificate, endpointHost?: string]
): Promise<void> {
  return unharmed(lab, () => dialledInTurn(lab, ...how))
}

async function dialledInTurn(
  lab: Lab,
  reason: string,
  certificate: MakeCertificate,
  endpointHost?: string,
): Promise<void> {
  const { host, address } = peerOf(lab)
  const by = await signers(lab)
  const honest = await issueLeaf({ authority: by.peers, subject: host, sans: [host] })
  await using control = await listen(lab, honest)
  await dial(lab, `wss://${host}:${control.port}`)
  const heard = await lab.site.until('the honest server hears the dialer', () => control.connections[0]?.received(), {
    withinMs,
  })
  lab.demand(/^authorization: bearer /im.test(heard), 'it sends no token to an honest server')

  await using impostor = await listen(lab, await certificate(host, by, address))
  const tap = await lab.site.tap(lab.target.node)
  await dial(lab, `wss://${endpointHost ?? host}:${impostor.port}`)
  const refusals = () => tap.decisions({ action: 'peering:dial', target: mirror })
  const [refusal] = await lab.site.until('the dialer gives up', async () => nonEmpty(await refusals()), { withinMs })
  await forget(lab)
  lab.demand(refusal?.reason === reason && refusal.guard === 'dial.target', `it gives up for ${refusal?.reason}`)
  const received = impostor.connections.map((connection) => connection.received()).join('')
  lab.demand(received === '', `it sends ${received.length} bytes to a server that is not its peer`)
}

const mirror = 'mirror'

async function listen(lab: Lab, certificate: Identity) {
  const open = { type: 'open', version: 1, node: mirror, holdTimeMs: 90_000, session: crypto.randomUUID() }
  return lab.site.own(await listenAsPeer({ seat: peerOf(lab).seat, certificate, open }))
}

/** Makes the target dial there, in place of where it dialled before. */
async function dial(lab: Lab, endpoint: string): Promise<void> {
  const { domain, token } = peerOf(lab)
  await forget(lab)
  const { token: held = '' } = await lab.site.held(token)
  const peerToken = await tokenFor(lab, held, new URL(endpoint).hostname)
  lab.presents(peerToken)
  const record = { name: mirror, endpoint, domains: [], trustDomain: domain, peerToken }
  const { status, body } = await lab.site.operator(lab.target.node).post('/v1/peers', record)
  if (status !== 201) throw new NotInPlan(lab.site.site, `${lab.target.node} takes no peer at ${endpoint}: ${body}`, [])
}

/** The dialer takes only a token for the host that it dials: an insider makes one for any other. */
async function tokenFor(lab: Lab, token: string, host: string): Promise<string> {
  const { domain, host: peer } = peerOf(lab)
  if (host === peer) return token
  const key = await lab.site.signingKey(lab.plan.trustDomains[domain]!.issuer ?? '')
  return mutateClaims(token, key, (claims) => ({ ...claims, aud: `https://${host}` }))
}

async function forget(lab: Lab): Promise<void> {
  await lab.site.operator(lab.target.node).delete(`/v1/peers/${mirror}`)
}

/** A peer that the target dials by the plan, and the token that it presents there. */
function peerOf(lab: Lab): Pick<SiteNode, 'host' | 'address' | 'seat'> & { domain: string; token: string } {
  const { accepts, credentials, nodes } = lab.plan
  const { node, action } = lab.target
  const dialled = accepts.filter((one) => one.action === action && one.target !== node)
  const accepted = dialled.find(({ credential }) => credentials[credential]?.holders.includes(node))
  if (accepted === undefined) throw new NotInPlan(lab.site.site, `${lab.target.node} dials nobody`, Object.keys(nodes))
  const { host, address, seat } = lab.site.node(accepted.target)
  return { host, address, seat, domain: nodes[accepted.target]!.domain, token: accepted.credential }
}

async function signers(lab: Lab): Promise<Signers> {
  const { trustDomains } = lab.plan
  const [peers, dialers, nobodys] = await Promise.all([
    lab.site.authority(trustDomains[peerOf(lab).domain]!.ca),
    lab.authority('target'),
    rogueAuthority(),
  ])
  return { peers, dialers, nobodys }
}

function nonEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined
}
