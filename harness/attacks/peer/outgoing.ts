import type { PlanBoundToken } from '../../credentials/bound-token/planned.ts'
import { issueLeaf } from '../../pki/authority.ts'
import { spoiled } from '../../pki/spoiled.ts'
import { holderOf } from '../../topology/holders.ts'
import { cases, presenting, steps, type Variant } from '../attack.ts'
import { forgedToken, withClaim } from '../forgery.ts'
import { impostor, type MakeCertificate, ofDialersCa } from '../impostor.ts'
import { AttackWorks, type Lab } from '../lab.ts'
import { A0, demanded, E, START } from '../outcome.ts'
import { type Change, startElsewhere } from '../start-elsewhere.ts'
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
const toldIgnored: Variant = {
  expect: demanded('each named in the log'),
  async attack(lab) {
    const logs = lab.site.node(lab.target.node).logs(lab.target.unit).join('\n')
    for (const name of Object.keys(switches)) {
      lab.demand(new RegExp(`variable-ignored.*"${name}"`).test(logs), `it does not say that it ignores ${name}`)
    }
  },
}

/** The name of a peer that is there for the attack only. */
const twin = 'twin'

/** What a node takes for a peer, and what it gives away to whoever says to be one. */
export const outgoing = cases(['dialer', 'peers-api', 'two-issuers'], {
  'PEER-07': {
    title: 'swapped peer tokens are named as swapped before they are sent',
    source: 'RFC 8725 sections 3.8 and 3.9',
    variants: {
      'given by the operator': refusedToken('peer_token_subject_mismatch', (lab) =>
        heldToken(lab, issuedHere(lab, "a peer's")),
      ),
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
      'a call without token': presenting(A0('token_missing'), (good) => good.withoutToken()),
      'a node says what it ignores': { ...toldIgnored, needs: ['dialer'] },
      'an auth server says what it ignores': { ...toldIgnored, needs: ['token-endpoint'] },
      'a token request without a certificate': {
        ...presenting(E('invalid_client', 'cert_missing'), (good) => good.withoutCertificate()),
        needs: ['client-authentication'],
      },
      'a setting of that kind': notStarting(['config_invalid', 'skipAuth'], async () => ({
        member: ['skipAuth'],
        value: true,
      })),
    },
  },
  'PEER-13': {
    title: 'a peer is taken only with a token that can be right',
    source: 'RFC 9068 section 2',
    variants: {
      'no token': refusedToken('peer_token_missing', () => undefined),
      'a blank token': refusedToken('peer_token_missing', () => ''),
      'white space': refusedToken('peer_token_missing', () => ' \t\n'),
      'a text that is no token': refusedToken('peer_token_malformed', () => 'some-token'),
      'three empty parts': refusedToken('peer_token_malformed', () => '..'),
      'a token that has ended': refusedToken('peer_token_expired', endedToken),
      'a token for another audience': refusedToken('peer_token_audience_mismatch', (lab) =>
        heldToken(lab, issuedHere(lab, 'its own')),
      ),
      'a token that is bound to another certificate': refusedToken('peer_token_bound_elsewhere', (lab) =>
        lab.credential(outgoingOf(lab).name).token(),
      ),
    },
  },
  'PEER-28': {
    title: 'a node gives its token to nobody but the peer',
    source: 'RFC 9700 section 4.9.1; RFC 9525 section 6',
    needs: ['dialer', 'peers-api'],
    variants: {
      'a certificate of an unknown CA': mute('server_untrusted', spoiled.otherCa),
      'a certificate that vouches for itself': mute('server_untrusted', spoiled.selfSigned),
      'a certificate of its CA for another host': mute('server_name_mismatch', (peer) =>
        issueLeaf({ ...peer, subject: 'evil.test', sans: ['evil.test'] }),
      ),
      'the name as common name only': mute('server_name_mismatch', spoiled.cnOnly),
      'a certificate that has ended': mute('server_untrusted', spoiled.expired),
      "a certificate of the node's own CA": {
        ...mute('server_untrusted', ofDialersCa),
        needs: ['dialer', 'peers-api', 'two-issuers'],
      },
    },
  },
  'PEER-29': {
    title: 'a token never goes over plaintext',
    source: 'RFC 6750 section 5.3',
    needs: ['dialer', 'peers-api'],
    variants: {
      'given by the operator': refusedPeer('endpoint_plaintext', async (lab) => ({
        endpoint: await plainEndpoint(lab),
      })),
      'in the file of a node that starts': notStarting(['endpoint_plaintext'], async (lab) => ({
        member: ['peering', 'peers', '0', 'endpoint'],
        value: await plainEndpoint(lab),
      })),
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

async function plainEndpoint(lab: Lab): Promise<string> {
  return String((await knownPeer(lab)).endpoint).replace('wss:', 'ws:')
}

/** What an operator would send to add the known peer under another name. */
async function rightRecord(lab: Lab): Promise<Entry> {
  const { endpoint, trustDomain, hasPeerToken } = await knownPeer(lab)
  const peerToken = hasPeerToken ? await heldToken(lab, outgoingOf(lab)) : undefined
  return { name: twin, endpoint, domains: [], trustDomain, peerToken }
}

/** A record is taken; changed, it is not, and nobody is peered with. */
function refusedPeer(code: string, change: (lab: Lab) => Promise<Entry>): Variant {
  return steps(demanded(`400 ${code}, and no such peer`), async (lab) => {
    const operator = lab.site.operator(lab.target.node)
    const right = await rightRecord(lab)
    await operator.delete(`/v1/peers/${twin}`)
    const taken = await operator.post('/v1/peers', right)
    lab.demand(taken.status === 201, `it answered ${taken.status} to a peer as it should be`)
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
  })
}

function refusedToken(code: string, token: (lab: Lab) => Promise<string> | string | undefined): Variant {
  return refusedPeer(code, async (lab) => ({ peerToken: await token(lab) }))
}

/** Whoever presents such a certificate under the name of a peer is dialled, and hears nothing. */
function mute(reason: string, certificate: MakeCertificate): Variant {
  return impostor(reason, certificate, { text: `${reason}, and not a byte` })
}

/** The token with which the target calls a peer. @throws AttackWorks */
export function outgoingOf(lab: Lab): PlanBoundToken {
  const { node } = lab.target
  const fits = (token: PlanBoundToken) => holderOf(token) === node && token.issuer !== lab.issuer
  return lab.tokenWhere(fits, `the plan has no token with which ${node} calls a peer`)
}

/** A token that the target's own issuer mints: for a peer that calls the target, or for the target itself. @throws AttackWorks */
function issuedHere(lab: Lab, whose: "a peer's" | 'its own'): PlanBoundToken {
  const { node } = lab.target
  const fits = (token: PlanBoundToken) => (holderOf(token) === node) === (whose === 'its own')
  const what = whose === 'its own' ? `token of ${node} for itself` : `token with which a peer calls ${node}`
  return lab.tokenWhere((token) => token.issuer === lab.issuer && fits(token), `the plan has no ${what}`)
}

async function heldToken(lab: Lab, { name }: PlanBoundToken): Promise<string> {
  const { token = '' } = await lab.site.held(name)
  lab.presents(token)
  return token
}

async function endedToken(lab: Lab): Promise<string> {
  const token = outgoingOf(lab)
  const key = await lab.site.signingKey(token.issuer)
  return forgedToken(await heldToken(lab, token), key, withClaim('exp', Math.floor(Date.now() / 1000) - 3_600))
}

async function startWithSwappedFile(lab: Lab): Promise<void> {
  await using elsewhere = await startElsewhere(lab)
  const token = await heldToken(lab, issuedHere(lab, "a peer's"))
  const value = await elsewhere.write('swapped.token', token)
  // The first of its peers that is called with a token from a file.
  const [member] = elsewhere.members('peerTokenFile')
  if (member === undefined) throw new AttackWorks(`${lab.target.node} reads no token of a peer from a file`)
  await elsewhere.demandOwnTaken()
  const said = await elsewhere.demandRefused({ member, value }, ['peer_token_subject_mismatch', 'swap'])
  lab.demand(!said.includes(token), 'it writes the token down')
}

/** With its own configuration it would start; with the changed one it does not, and says why. */
function notStarting(says: readonly string[], change: (lab: Lab) => Promise<Change>): Variant {
  return {
    expect: START(says[0]!),
    needs: ['dialer', 'start'],
    async attack(lab) {
      await using elsewhere = await startElsewhere(lab)
      await elsewhere.demandOwnTaken()
      await elsewhere.demandRefused(await change(lab), says)
    },
  }
}
