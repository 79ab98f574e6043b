import type { PlanBoundToken } from '../../credentials/bound-token/planned.ts'
import { credentialOf, credentialsOf } from '../../credentials/of-kind.ts'
import { issueSelfSigned } from '../../pki/authority.ts'
import { thumbprintS256 } from '../../pki/certificate.ts'
import type { CallOptions } from '../../site/call.ts'
import { Credential } from '../../site/credential.ts'
import type { Verdict } from '../../site/verdict.ts'
import { mutateClaims } from '../../tokens/forge.ts'
import { holderOf } from '../../topology/holders.ts'
import { cases, type Variant } from '../attack.ts'
import { AttackWorks, type Lab } from '../lab.ts'
import { A3, accepted, E, type Outcome, refused, T0 } from '../outcome.ts'

type Order = Readonly<Record<string, unknown>>

const reserved = ['iss', 'aud', 'sub', 'exp', 'jti', 'cnf', 'entity', 'principal', 'certificate', 'client_id']
const lives: Readonly<Record<string, string>> = {
  nothing: '0',
  'less than nothing': '-1',
  'less than the shortest life': '29',
  'ten years': '315360000',
  'a fraction': '60.5',
  'a text': '"60"',
  'a command': '"1h;rm"',
  'more than a double can count': '9007199254740993',
  null: 'null',
}
const adminCalls = ['operator:list', 'operator:clients', 'operator:keys', 'operator:holders', 'operator:revoke']

/** Tokens are minted for proven holders, by whoever may, and for nobody else. */
export const minting = cases(['mint-api'], {
  'PEER-16': {
    title: 'a token is bound to a certificate whose holder has proven it',
    source: 'RFC 8705 sections 3 and 6.1',
    variants: {
      "another subject with one's own certificate": ordering(denied('holder_unproven'), async (lab, order) => ({
        ...order,
        clientId: otherThan(lab, order).subject,
      })),
      "one's own subject with another's certificate": ordering(denied('holder_unproven'), async (lab, order) => ({
        ...order,
        'x5t#S256': await lab.credential(otherThan(lab, order).name).thumbprint(),
      })),
      'a certificate that nobody proved': ordering(denied('holder_unproven'), async (lab, order) => ({
        ...order,
        'x5t#S256': await lab.anew(mintedHere(lab).boundTo).thumbprint(),
      })),
      'no certificate, of a client that proved none': { expect: denied('holder_unproven'), attack: withoutAnyProof },
      'no certificate: the newest proven one is taken': { expect: accepted(), attack: withoutNamingOne },
    },
  },
  'PEER-17': {
    title: 'whoever orders a token chooses none of its claims',
    source: 'RFC 8725 section 3.8',
    variants: {
      claims: ordering(refused(400, 'invalid_request', 'member_invalid'), async (_, order) => ({
        ...order,
        claims: Object.fromEntries(reserved.map((name) => [name, 'evil'])),
      })),
      ...Object.fromEntries(
        reserved.map((name) => [
          name,
          ordering(refused(400, 'invalid_request', 'member_invalid'), async (_, order) => ({
            ...order,
            [name]: 'evil',
          })),
        ]),
      ),
    },
  },
  'PEER-18': {
    title: 'the life of a token has bounds, and what is outside of them is no life',
    source: 'RFC 9700 section 2.3',
    variants: Object.fromEntries(
      Object.entries(lives).map(([name, life]) => [
        name,
        sending(refused(400, 'invalid_request', 'ttl_invalid'), async (_, order) => ({
          body: JSON.stringify({ ...order, expiresIn: 0 }).replace('"expiresIn":0', `"expiresIn":${life}`),
        })),
      ]),
    ),
  },
  'PEER-19': {
    title: 'a certificate-bound client gets no token without its certificate',
    source: 'RFC 8705 sections 2 and 5',
    needs: ['token-endpoint'],
    variants: {
      'at the public listener': requesting(E('invalid_client', 'cert_missing'), (lab, credential, form) =>
        lab.callAt(requestAt(lab), credential, { form, listener: 'public' }),
      ),
      'without certificate': requesting(E('invalid_client', 'cert_missing'), (lab, credential, form) =>
        lab.callAt(requestAt(lab), credential.withoutCertificate(), { form }),
      ),
      'with the certificate of another client': requesting(
        E('invalid_client', 'san_mismatch', 'anchor_mismatch'),
        (lab, credential, form) =>
          lab.callAt(requestAt(lab), credential.over(lab.credential(otherClient(lab).boundTo)), { form }),
      ),
      'with a self-signed certificate of the same names': requesting(
        E('invalid_client', 'anchor_mismatch'),
        (lab, credential, form) => {
          const { subject, sans } = credentialOf(lab.plan, 'certificate', mintedHere(lab).boundTo)
          const own = credential.withCertificate(() => issueSelfSigned(subject, sans), 'self-signed')
          return lab.callAt(requestAt(lab), own, { form })
        },
      ),
      'with a certificate that is not the pinned one': {
        expect: E('invalid_client', 'pin_mismatch'),
        attack: unpinned,
      },
    },
  },
  'PEER-24': {
    title: 'a token opens no verb of the operator, whatever its scope',
    source: 'RFC 9700 section 2.3',
    needs: ['operator-api'],
    variants: {
      ...Object.fromEntries(adminCalls.map((action) => [action, withToken(A3('not_operator'), action)])),
      ...Object.fromEntries(
        adminCalls.map((action) => [
          `${action}, with a peer token`,
          { expect: A3('not_operator'), attack: (lab: Lab) => callWithPeerToken(lab, action) },
        ]),
      ),
      'operator:mint': { expect: A3('not_operator'), attack: mintWithToken },
      'operator:mint, with a peer token': {
        expect: A3('not_operator'),
        attack: async (lab) => mintWithToken(lab, await peerToken(lab)),
      },
      // The call that would prove that it works for an operator would rotate the key.
      'operator:rotate': { expect: A3('not_operator'), attack: rotateWithToken },
      'operator:rotate, with a peer token': {
        expect: A3('not_operator'),
        attack: async (lab) => rotateWithToken(lab, await peerToken(lab)),
      },
      'by a peer of another organisation': {
        ...withToken(T0('cert_untrusted'), 'operator:list', (own, { domain }) => own !== domain),
        needs: ['operator-api', 'two-issuers'],
      },
    },
  },
})

const member = (json: unknown): Order => json as Order

function denied(reason: string): Outcome {
  return refused(403, 'access_denied', reason)
}

/** A token that the target's auth server mints, by the rules of the plan. @throws AttackWorks */
function mintedHere({ plan, target }: Lab): PlanBoundToken {
  const found = credentialsOf(plan, 'bound-token').find(({ issuer }) => issuer === target.node)
  if (found === undefined) throw new AttackWorks(`${target.node} mints no token of the plan`)
  return found
}

/** Another client of the same auth server. @throws AttackWorks */
function otherThan({ plan, target }: Lab, { clientId }: Order): PlanBoundToken {
  const found = credentialsOf(plan, 'bound-token').find(
    ({ issuer, subject }) => issuer === target.node && subject !== clientId,
  )
  if (found === undefined) throw new AttackWorks(`${target.node} mints tokens for one client only`)
  return found
}

function otherClient(lab: Lab): PlanBoundToken {
  return otherThan(lab, { clientId: mintedHere(lab).subject })
}

/** What the operator orders for a holder of the plan, whose certificate is proven. */
async function rightOrder(lab: Lab): Promise<Order> {
  const { name, mint } = mintedHere(lab)
  return { ...member(mint.mint.json), 'x5t#S256': await lab.credential(name).thumbprint() }
}

/** The right order, which is taken, and then another one. */
function ordering(expect: Outcome, change: (lab: Lab, order: Order) => Promise<Order>): Variant {
  return sending(expect, async (lab, order) => ({ json: await change(lab, order) }))
}

function sending(expect: Outcome, attack: (lab: Lab, order: Order) => Promise<CallOptions>): Variant {
  return {
    expect,
    async attack(lab) {
      // The certificate is proven when its token is minted.
      const order = await rightOrder(lab)
      await lab.credential(mintedHere(lab).name).token()
      lab.judge(await mint(lab, { json: order }), accepted())
      return mint(lab, await attack(lab, order))
    },
  }
}

function mint(lab: Lab, options: CallOptions): Promise<Verdict> {
  return lab.callAt({ action: 'operator:mint' }, lab.good(), options)
}

async function withoutNamingOne(lab: Lab): Promise<Verdict> {
  const { 'x5t#S256': _, ...order } = await rightOrder(lab)
  const newest = lab.anew(mintedHere(lab).name)
  await newest.token()
  const verdict = await mint(lab, { json: order })
  const thumbprint = (verdict.json as Order | undefined)?.['x5t#S256']
  lab.demand(
    thumbprint === (await newest.thumbprint()),
    `it minted a token that is bound to ${thumbprint ?? 'nothing'}`,
  )
  return verdict
}

/** A client that the operator has just registered. */
async function withoutAnyProof(lab: Lab): Promise<Verdict> {
  const { 'x5t#S256': _, ...order } = await rightOrder(lab)
  const clientId = 'unproven'
  const operator = lab.site.operator(lab.target.node)
  const { json } = await operator.get(`/operator/v1/clients/${mintedHere(lab).subject}`)
  const registered = await operator.put(`/operator/v1/clients/${clientId}`, { ...member(json), client_id: clientId })
  lab.demand(registered.status === 201, `it answered ${registered.status} to the registration of a client`)
  try {
    lab.judge(await mint(lab, { json: order }), accepted())
    return await mint(lab, { json: { ...order, clientId } })
  } finally {
    await operator.delete(`/operator/v1/clients/${clientId}`)
  }
}

function requestAt(lab: Lab): { from: string; action: string } {
  return { from: holderOf(mintedHere(lab)), action: 'token:request' }
}

/** The client's own request, which is answered with a token, and then another one. */
function requesting(
  expect: Outcome,
  attack: (
    lab: Lab,
    credential: ReturnType<Lab['credential']>,
    form: Readonly<Record<string, string>>,
  ) => Promise<Verdict>,
): Variant {
  return {
    expect,
    async attack(lab) {
      const token = mintedHere(lab)
      const own = lab.credential(token.boundTo)
      const form = { grant_type: 'client_credentials', client_id: token.subject, resource: token.resource }
      lab.judge(await lab.callAt(requestAt(lab), own, { form }), accepted())
      return attack(lab, own, form)
    },
  }
}

async function unpinned(lab: Lab): Promise<Verdict> {
  const names = ['pinned', ['pinned.test']] as const
  const [pinned, other] = await Promise.all([issueSelfSigned(...names), issueSelfSigned(...names)])
  const resource = 'https://pinned.test'
  const operator = lab.site.operator(lab.target.node)
  const grant = { resource, aud: [resource], use: 'node', scopes: ['node:read'], trustedDomains: [], maxTtlSeconds: 60 }
  const method = { method: 'self_signed_tls_client_auth', pinnedCertificate: pinned.certPem }
  const registration = { client_id: 'pinned', ...method, grants: [grant], introspects: [] }
  const { status } = await operator.put('/operator/v1/clients/pinned', registration)
  lab.demand(status === 201, `it answered ${status} to the registration of a client`)
  try {
    const form = { grant_type: 'client_credentials', client_id: 'pinned', resource }
    const right = lab.credential(mintedHere(lab).boundTo).withCertificate(pinned, 'pinned')
    lab.judge(await lab.callAt(requestAt(lab), right, { form }), accepted())
    return await lab.callAt(requestAt(lab), right.withCertificate(other, 'unpinned'), { form })
  } finally {
    await operator.delete('/operator/v1/clients/pinned')
  }
}

/** A token of this auth server; by default one whose holder the operator listener lets in at TLS. */
function tokenOf(
  { plan, target }: Lab,
  fits = (holder: string, own: { domain: string }) => holder === own.domain,
): string {
  const found = credentialsOf(plan, 'bound-token').find(
    (token) => token.issuer === target.node && fits(plan.nodes[holderOf(token)]?.domain ?? '', target),
  )
  if (found === undefined) throw new AttackWorks(`nobody of the wanted domain holds a token of ${target.node}`)
  return found.name
}

function withToken(expect: Outcome, action: string, fits?: Parameters<typeof tokenOf>[1]): Variant {
  return {
    expect,
    async attack(lab) {
      const { from } = lab.target
      lab.judge(await lab.callAt({ from, action }, lab.good()), accepted())
      return lab.callAt({ from, action }, lab.credential(tokenOf(lab, fits)))
    },
  }
}

/** The token of a peer as its issuer would bind it to a certificate that the operator listener lets in at TLS. */
async function peerToken(lab: Lab): Promise<Credential> {
  const peer = credentialsOf(lab.plan, 'bound-token').find(
    ({ scope, issuer }) => scope.includes('peer:connect') && issuer === lab.target.node,
  )
  if (peer === undefined) throw new AttackWorks(`${lab.target.node} mints no token for a peer`)
  const key = await lab.site.signingKey(lab.target.node)
  const token = await lab.credential(peer.name).token()
  const identity = await lab.credential(tokenOf(lab)).identity()
  const cnf = { 'x5t#S256': thumbprintS256(identity.certPem) }
  return new Credential('with the token of a peer', async () => ({
    certificate: identity,
    token: await mutateClaims(token, key, (own) => ({ ...own, cnf })),
  }))
}

async function callWithPeerToken(lab: Lab, action: string): Promise<Verdict> {
  const { from } = lab.target
  lab.judge(await lab.callAt({ from, action }, lab.good()), accepted())
  return lab.callAt({ from, action }, await peerToken(lab))
}

async function mintWithToken(lab: Lab, credential = lab.credential(tokenOf(lab))): Promise<Verdict> {
  const json = await rightOrder(lab)
  const action = 'operator:mint'
  await lab.credential(mintedHere(lab).name).token()
  lab.judge(await lab.callAt({ action }, lab.good(), { json }), accepted())
  return lab.callAt({ action }, credential, { json })
}

async function rotateWithToken(lab: Lab, credential = lab.credential(tokenOf(lab))): Promise<void> {
  lab.judge(await lab.callAt({ action: 'operator:rotate' }, credential), A3('not_operator'))
}
