import { randomUUID } from 'node:crypto'
import { listenAsPeer } from '../../counterparts/peer/scripted-peer.ts'
import type { PlanBoundToken } from '../../credentials/bound-token/planned.ts'
import { credentialsOf } from '../../credentials/of-kind.ts'
import { issueLeaf, rogueAuthority } from '../../pki/authority.ts'
import type { Identity } from '../../pki/certificate.ts'
import { spoiled, unspoiled } from '../../pki/spoiled.ts'
import { holderOf } from '../../topology/holders.ts'
import { cases, type Variant } from '../attack.ts'
import { forgedToken } from '../forgery.ts'
import { AttackWorks, type Lab } from '../lab.ts'
import { A0, demanded, E, START } from '../outcome.ts'
import { startElsewhere } from '../start-elsewhere.ts'
import { demandNoHint, unharmed } from '../unharmed.ts'

type Entry = Readonly<Record<string, unknown>>

const switches = {
  CATALYST_SKIP_AUTH: 'true',
  SKIP_AUTH: '1',
  NO_AUTH: 'yes',
  INSECURE: 'on',
  ORCHESTRATOR_SKIP_AUTH: 'true',
  AUTH_SERVER_SKIP_AUTH: 'true',
}
/** The name of a peer that is there for the attack only. */
const twin = 'twin'

/** What a node takes for a peer, and what it gives away to whoever says to be one. */
export const outgoing = cases(['dialer', 'peers-api', 'two-issuers'], {
  'PEER-07': {
    title: 'swapped peer tokens are named as swapped before they are sent',
    source: 'RFC 8725 sections 3.8 and 3.9',
    variants: {
      'given by the operator': refusedPeer('peer_token_subject_mismatch', async (lab) => ({
        peerToken: await heldToken(lab, incomingOf(lab)),
      })),
      'in the files of a node that starts': {
        expect: START('peer_token_subject_mismatch'),
        needs: ['dialer', 'start', 'two-issuers'],
        attack: startWithSwappedFile,
      },
    },
  },
  'PEER-12': {
    title: 'no variable skips authentication',
    source: 'CWE-1188; RFC 9700 section 4.10',
    needs: ['takes:bound-token'],
    environment: switches,
    variants: {
      'a call without token': { expect: A0('token_missing'), attack: (lab) => lab.call(lab.good().withoutToken()) },
      'a node says what it ignores': { expect: demanded('each named in the log'), needs: ['dialer'], attack: isTold },
      'an auth server says what it ignores': {
        expect: demanded('each named in the log'),
        needs: ['token-endpoint'],
        attack: isTold,
      },
      'a token request without a certificate': {
        expect: E('invalid_client', 'cert_missing'),
        needs: ['client-authentication'],
        attack: (lab) => lab.call(lab.good().withoutCertificate()),
      },
      'a setting of that kind': {
        expect: START('config_invalid'),
        needs: ['dialer', 'start'],
        attack: (lab) => refusesToStart(lab, { member: ['skipAuth'], value: true }, ['config_invalid', 'skipAuth']),
      },
    },
  },
  'PEER-13': {
    title: 'a peer is taken only with a token that can be right',
    source: 'RFC 9068 section 2',
    variants: {
      'no token': refusedPeer('peer_token_missing', async () => ({ peerToken: undefined })),
      'a blank token': refusedPeer('peer_token_missing', async () => ({ peerToken: '' })),
      'white space': refusedPeer('peer_token_missing', async () => ({ peerToken: ' \t\n' })),
      'a text that is no token': refusedPeer('peer_token_malformed', async () => ({ peerToken: 'some-token' })),
      'three empty parts': refusedPeer('peer_token_malformed', async () => ({ peerToken: '..' })),
      'a token that has ended': refusedPeer('peer_token_expired', async (lab) => ({
        peerToken: await endedToken(lab),
      })),
      'a token for another audience': refusedPeer('peer_token_audience_mismatch', async (lab) => ({
        peerToken: await heldToken(lab, ownOf(lab)),
      })),
      'a token that is bound to another certificate': refusedPeer('peer_token_bound_elsewhere', async (lab) => ({
        peerToken: await lab.credential(outgoingOf(lab)).token(),
      })),
    },
  },
  'PEER-28': {
    title: 'a node gives its token to nobody but the peer',
    source: 'RFC 9700 section 4.9.1; RFC 9525 section 6',
    needs: ['dialer', 'peers-api'],
    variants: {
      'a certificate of an unknown CA': mute('server_untrusted', async (names) =>
        unspoiled({ ...names, authority: await rogueAuthority() }),
      ),
      'a certificate that vouches for itself': mute('server_untrusted', (names) => spoiled.selfSigned(names)),
      'a certificate of its CA for another host': mute('server_name_mismatch', (names) =>
        issueLeaf({ ...names, subject: 'evil.test', sans: ['evil.test'] }),
      ),
      'the name as common name only': mute('server_name_mismatch', (names) => spoiled.cnOnly(names)),
      'a certificate that has ended': mute('server_untrusted', (names) => spoiled.expired(names)),
      "a certificate of the node's own CA": {
        ...mute('server_untrusted', async (names, lab) =>
          unspoiled({ ...names, authority: await lab.authority('target') }),
        ),
        needs: ['dialer', 'peers-api', 'two-issuers'],
      },
    },
  },
  'PEER-29': {
    title: 'a token never goes over plaintext',
    source: 'RFC 6750 section 5.3',
    needs: ['dialer', 'peers-api'],
    variants: {
      'given by the operator': refusedPeer('endpoint_plaintext', async (lab) => {
        const { endpoint } = await knownPeer(lab)
        return { endpoint: String(endpoint).replace('wss:', 'ws:') }
      }),
      'in the file of a node that starts': {
        expect: START('endpoint_plaintext'),
        needs: ['dialer', 'start'],
        attack: startWithPlainPeer,
      },
    },
  },
})

/** A peer that the target already has, as its API shows it. @throws AttackWorks */
async function knownPeer(lab: Lab): Promise<Entry> {
  const { json } = await lab.site.operator(lab.target.node).get('/v1/peers')
  const known = (json as { peers: Entry[] }).peers.find(({ name }) => name !== twin)
  if (known === undefined) throw new AttackWorks(`${lab.target.node} has no peer`)
  return known
}

/** What an operator would send to add the known peer under another name. */
async function rightRecord(lab: Lab): Promise<Entry> {
  const { endpoint, trustDomain, hasPeerToken } = await knownPeer(lab)
  const peerToken = hasPeerToken ? await heldToken(lab, outgoingOf(lab)) : undefined
  return { name: twin, endpoint, domains: [], trustDomain, peerToken }
}

async function addTwin(lab: Lab, record: Entry) {
  const operator = lab.site.operator(lab.target.node)
  await operator.delete(`/v1/peers/${twin}`)
  return operator.post('/v1/peers', record)
}

/** A record is taken; changed, it is not, and nobody is peered with. */
function refusedPeer(code: string, change: (lab: Lab) => Promise<Entry>): Variant {
  return {
    expect: demanded(`400 ${code}, and no such peer`),
    async attack(lab) {
      const right = await rightRecord(lab)
      const taken = await addTwin(lab, right)
      lab.demand(taken.status === 201, `it answered ${taken.status} to a peer as it should be`)
      const operator = lab.site.operator(lab.target.node)
      await operator.delete(`/v1/peers/${twin}`)
      const wrong = { ...right, ...(await change(lab)) }
      const tap = await lab.site.tap(lab.target.node)
      const { status, json, body } = await unharmed(lab, () => operator.post('/v1/peers', wrong))
      const { error } = (json ?? {}) as { error?: string }
      lab.demand(status === 400 && error === code, `it answered ${status} ${error} to a peer with ${code}`)
      demandNoHint(lab, body)
      const [record, ...more] = await tap.decisions({ action: 'peers:write' })
      lab.demand(more.length === 0 && record?.verdict === 'refused', `it recorded ${more.length + 1} decisions`)
      lab.demand(record?.guard === 'local.peer' && record.reason === code, `it recorded ${record?.reason}`)
      lab.demand(record?.status === 400 && record.error === code, `it recorded ${record?.status} ${record?.error}`)
      const listed = await operator.get(`/v1/peers/${twin}`)
      lab.demand(listed.status === 404, 'it lists the peer that it refused')
    },
  }
}

/** Whoever presents such a certificate under the name of a peer is dialled, and hears nothing. */
function mute(
  reason: string,
  certificate: (names: Parameters<typeof unspoiled>[0], lab: Lab) => Promise<Identity>,
): Variant {
  return {
    expect: demanded(`${reason}, and not a byte`),
    async attack(lab) {
      const right = await rightRecord(lab)
      const host = new URL(String(right.endpoint)).hostname
      const peer = Object.values(lab.plan.nodes).find((node) => node.host === host)
      if (peer === undefined) throw new AttackWorks(`nobody in the plan is called ${host}`)
      const names = { authority: await caOf(lab, peer.domain), subject: host, sans: [host] }
      const mutely = await unharmed(lab, async () => {
        try {
          const heard = await dialled(lab, peer.name, right, await unspoiled(names))
          lab.demand(/^authorization: bearer ey/im.test(heard.text), 'it says nothing to the peer itself')
          return await dialled(lab, peer.name, right, await certificate(names, lab), reason)
        } finally {
          await lab.site.operator(lab.target.node).delete(`/v1/peers/${twin}`)
        }
      })
      lab.demand(mutely.text === '', `it said ${mutely.text.length} bytes to whoever presents that`)
      const [refusal] = mutely.refusals
      lab.demand(refusal?.guard === 'dial.target' && refusal.reason === reason, `it recorded ${refusal?.reason}`)
    },
  }
}

/** What a listener with this certificate hears of the target, which dials it as its peer. */
async function dialled(lab: Lab, node: string, record: Entry, certificate: Identity, gaveUp?: string) {
  const open = { type: 'open', version: 1, node: twin, holdTimeMs: 90_000, session: randomUUID() }
  const peer = lab.site.own(await listenAsPeer({ seat: lab.site.node(node).seat, certificate, open }))
  const endpoint = new URL(String(record.endpoint))
  endpoint.port = String(peer.port)
  const tap = await lab.site.tap(lab.target.node)
  await addTwin(lab, { ...record, endpoint: endpoint.href.replace(/\/$/, '') })
  const text = () => peer.connections.map((connection) => connection.received()).join('')
  const isDone = async () => (gaveUp === undefined ? text() !== '' : (await lastError(lab)) === gaveUp)
  const end = gaveUp === undefined ? 'the dialer speaks' : `the dialer gives up: ${gaveUp}`
  await lab.site.until(end, isDone, { withinMs: 5_000 })
  const hasCome = () => peer.connections.length + peer.brokenOff.length > 0
  await lab.site.until('the dialer has come', hasCome, { withinMs: 5_000 })
  const refusals = await tap.decisions({ action: 'peering:dial', target: twin, verdict: 'refused' })
  return { text: text(), refusals }
}

async function lastError(lab: Lab): Promise<string | undefined> {
  const { json } = await lab.site.operator(lab.target.node).get('/v1/state')
  const { peers } = json as { peers: { name: string; outbound: { lastError?: string } }[] }
  return peers.find(({ name }) => name === twin)?.outbound.lastError
}

function caOf(lab: Lab, domain: string) {
  return lab.site.authority(lab.plan.trustDomains[domain]!.ca)
}

/** The credential of the plan that fits, held by the target. @throws AttackWorks */
function tokenWhere(lab: Lab, what: string, fits: (token: PlanBoundToken) => boolean): string {
  const found = credentialsOf(lab.plan, 'bound-token').find(fits)
  if (found === undefined) throw new AttackWorks(`the plan has no ${what}`)
  return found.name
}

function outgoingOf(lab: Lab): string {
  const { node } = lab.target
  return tokenWhere(
    lab,
    `token with which ${node} calls a peer`,
    (token) => holderOf(token) === node && token.issuer !== lab.issuer,
  )
}

function incomingOf(lab: Lab): string {
  const { node } = lab.target
  return tokenWhere(
    lab,
    `token with which a peer calls ${node}`,
    (token) => holderOf(token) !== node && token.issuer === lab.issuer,
  )
}

function ownOf(lab: Lab): string {
  const { node } = lab.target
  return tokenWhere(
    lab,
    `token of ${node} for itself`,
    (token) => holderOf(token) === node && token.issuer === lab.issuer,
  )
}

async function heldToken(lab: Lab, name: string): Promise<string> {
  const { token = '' } = await lab.site.held(name)
  lab.presents(token)
  return token
}

async function endedToken(lab: Lab): Promise<string> {
  const name = outgoingOf(lab)
  const exp = Math.floor(Date.now() / 1000) - 3_600
  const key = await lab.site.signingKey(lab.plan.credentials[name]!.issuer)
  return forgedToken(await heldToken(lab, name), key, { claims: (claims) => ({ ...claims, exp }) })
}

async function startWithSwappedFile(lab: Lab): Promise<void> {
  await using elsewhere = await startElsewhere(lab)
  const token = await heldToken(lab, incomingOf(lab))
  const value = await elsewhere.write('swapped.token', token)
  // The first of its peers that is called with a token from a file.
  const [member] = elsewhere.members('peerTokenFile')
  if (member === undefined) throw new AttackWorks(`${lab.target.node} reads no token of a peer from a file`)
  const { stderr } = await demandRefusedStart(lab, elsewhere, { member, value }, [
    'peer_token_subject_mismatch',
    'swap',
  ])
  lab.demand(!stderr.includes(token), 'it writes the token down')
}

async function startWithPlainPeer(lab: Lab): Promise<void> {
  const { endpoint } = await knownPeer(lab)
  const change = { member: ['peering', 'peers', '0', 'endpoint'], value: String(endpoint).replace('wss:', 'ws:') }
  await refusesToStart(lab, change, ['endpoint_plaintext'])
}

type Change = NonNullable<Parameters<Awaited<ReturnType<typeof startElsewhere>>['start']>[0]['change']>

async function refusesToStart(lab: Lab, change: Change, says: readonly string[]): Promise<void> {
  await using elsewhere = await startElsewhere(lab)
  await demandRefusedStart(lab, elsewhere, change, says)
}

/** With its own configuration it would start; with the changed one it ends in one line that says why, and opens nothing. */
async function demandRefusedStart(
  lab: Lab,
  elsewhere: Awaited<ReturnType<typeof startElsewhere>>,
  change: Change,
  says: readonly string[],
) {
  const [control, ended] = [await elsewhere.start({ isCheck: true }), await elsewhere.start({ change })]
  lab.demand(control.code === 0, `its own configuration is wrong to it: ${control.stderr.slice(0, 300)}`)
  const lines = ended.stderr.split('\n').filter((line) => line !== '')
  lab.demand(ended.code === 78, `it ends with ${ended.code}, not 78`)
  lab.demand(lines.length === 1 && ended.stdout === '', `it writes ${lines.length} lines, not one: ${ended.stderr}`)
  for (const text of says) lab.demand(ended.stderr.includes(text), `it does not say ${text}, but: ${ended.stderr}`)
  lab.demand(!ended.isListening, 'it opens a socket')
  return ended
}

async function isTold(lab: Lab): Promise<void> {
  const logs = lab.site.node(lab.target.node).logs(lab.target.unit).join('\n')
  for (const name of Object.keys(switches)) {
    lab.demand(new RegExp(`variable-ignored.*"${name}"`).test(logs), `it does not say that it ignores ${name}`)
  }
}
