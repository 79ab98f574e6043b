import { credentialOf } from '../../credentials/of-kind.ts'
import { issueSelfSigned } from '../../pki/authority.ts'
import type { CallOptions } from '../../site/call.ts'
import { Credential } from '../../site/credential.ts'
import type { Verdict } from '../../site/verdict.ts'
import { mutateClaims } from '../../tokens/forge.ts'
import { holderOf } from '../../topology/holders.ts'
import { cases, steps, type Variant } from '../attack.ts'
import { grantFor, mintedHere, otherThan, registered, requested } from '../auth-server.ts'
import { bindingTo } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { A3, accepted, E, type Outcome, refused, T0 } from '../outcome.ts'

type Order = Readonly<Record<string, unknown>>

const reserved = ['iss', 'aud', 'sub', 'exp', 'jti', 'cnf', 'entity', 'principal', 'certificate', 'client_id']
const unproven = refused(403, 'access_denied', 'holder_unproven')
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
      "another subject with one's own certificate": ordering(unproven, async (lab) => ({
        clientId: otherThan(lab, mintedHere(lab)).subject,
      })),
      "one's own subject with another's certificate": ordering(unproven, async (lab) => ({
        'x5t#S256': await lab.credential(otherThan(lab, mintedHere(lab)).name).thumbprint(),
      })),
      'a certificate that nobody proved': ordering(unproven, async (lab) => ({
        'x5t#S256': await lab.anew(mintedHere(lab).boundTo).thumbprint(),
      })),
      'no certificate, of a client that proved none': steps(unproven, withoutAnyProof),
      'no certificate: the newest proven one is taken': steps(accepted(), withoutNamingOne),
    },
  },
  'PEER-17': {
    title: 'whoever orders a token chooses none of its claims',
    source: 'RFC 8725 section 3.8',
    variants: {
      claims: choosing({ claims: Object.fromEntries(reserved.map((name) => [name, 'evil'])) }),
      ...Object.fromEntries(reserved.map((name) => [name, choosing({ [name]: 'evil' })])),
    },
  },
  'PEER-18': {
    title: 'the life of a token has bounds, and what is outside of them is no life',
    source: 'RFC 9700 section 2.3',
    variants: Object.fromEntries(
      Object.entries(lives).map(([name, life]) => [
        name,
        sending(refused(400, 'invalid_request', 'ttl_invalid'), async (order) => ({
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
      'at the public listener': requesting(E('invalid_client', 'cert_missing'), (own) => own, { listener: 'public' }),
      'without certificate': requesting(E('invalid_client', 'cert_missing'), (own) => own.withoutCertificate()),
      'with the certificate of another client': requesting(
        E('invalid_client', 'san_mismatch', 'anchor_mismatch'),
        (own, lab) => own.over(lab.credential(otherThan(lab, mintedHere(lab)).boundTo)),
      ),
      'with a self-signed certificate of the same names': requesting(
        E('invalid_client', 'anchor_mismatch'),
        (own, lab) => {
          const { subject, sans } = credentialOf(lab.plan, 'certificate', mintedHere(lab).boundTo)
          return own.withCertificate(() => issueSelfSigned(subject, sans), 'self-signed')
        },
      ),
      'with a certificate that is not the pinned one': steps(E('invalid_client', 'pin_mismatch'), unpinned),
    },
  },
  'PEER-24': {
    title: 'a token opens no verb of the operator, whatever its scope',
    source: 'RFC 9700 section 2.3',
    needs: ['operator-api'],
    variants: {
      ...byEach(adminCalls, (action, by) => opening(action, by)),
      ...byEach(['operator:mint'], (action, by) =>
        opening(action, by, async (lab) => ({ json: await rightOrder(lab) })),
      ),
      // The call that would prove that it works for an operator would rotate the key.
      ...byEach(['operator:rotate'], (action, by) =>
        steps(A3('not_operator'), async (lab) =>
          lab.judge(await lab.callAt({ action }, await by(lab)), A3('not_operator')),
        ),
      ),
      'by a peer of another organisation': {
        ...opening('operator:list', (lab) => ownToken(lab, (holder, own) => holder !== own)),
        expect: T0('cert_untrusted'),
        needs: ['operator-api', 'two-issuers'],
      },
    },
  },
  'PEER-31': {
    title: 'a parameter without a value is left out, and one that is unknown is ignored',
    source: 'RFC 6749 section 3.2',
    needs: ['token-endpoint'],
    variants: {
      ...Object.fromEntries(
        ['scope', 'resource', 'client_secret', 'client_assertion', 'assertion'].map((name) => [
          `an empty ${name}`,
          withForm(accepted(), { [name]: '' }),
        ]),
      ),
      'an empty grant_type': withForm(E('invalid_request', 'grant_unsupported'), { grant_type: '' }),
      'an unknown one': withForm(accepted(), { unknown: 'x' }),
    },
  },
})

type Bearer = (lab: Lab) => Promise<Credential>

/** Each call with a token of the auth server, and then each with that of a peer. */
function byEach(actions: readonly string[], variant: (action: string, by: Bearer) => Variant): Record<string, Variant> {
  const bearers: Readonly<Record<string, Bearer>> = { '': (lab) => ownToken(lab), ', with a peer token': peerToken }
  return Object.fromEntries(
    Object.entries(bearers).flatMap(([suffix, by]) =>
      actions.map((action) => [`${action}${suffix}`, variant(action, by)]),
    ),
  )
}

/** What the operator orders for a holder of the plan, whose certificate is proven. */
async function rightOrder(lab: Lab): Promise<Order> {
  const { name, mint } = mintedHere(lab)
  // The certificate is proven when its token is minted.
  await lab.credential(name).token()
  return { ...(mint.mint.json as Order), 'x5t#S256': await lab.credential(name).thumbprint() }
}

/** The right order, which is taken, and then one that differs in this. */
function ordering(expect: Outcome, change: (lab: Lab) => Promise<Order>): Variant {
  return sending(expect, async (order, lab) => ({ json: { ...order, ...(await change(lab)) } }))
}

function choosing(claims: Order): Variant {
  return ordering(refused(400, 'invalid_request', 'member_invalid'), async () => claims)
}

function sending(expect: Outcome, attack: (order: Order, lab: Lab) => Promise<CallOptions>): Variant {
  return steps(expect, async (lab) => {
    const order = await rightOrder(lab)
    lab.judge(await mint(lab, { json: order }), accepted())
    return mint(lab, await attack(order, lab))
  })
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
  const isNewest = thumbprint === (await newest.thumbprint())
  lab.demand(isNewest, `it minted a token that is bound to ${thumbprint ?? 'nothing'}`)
  return verdict
}

/** A client that the operator has just registered. */
async function withoutAnyProof(lab: Lab): Promise<Verdict> {
  const { 'x5t#S256': _, ...order } = await rightOrder(lab)
  const operator = lab.site.operator(lab.target.node)
  const { json } = await operator.get(`/operator/v1/clients/${mintedHere(lab).subject}`)
  await registered(lab, { ...(json as Order), client_id: 'unproven' })
  lab.judge(await mint(lab, { json: order }), accepted())
  return mint(lab, { json: { ...order, clientId: 'unproven' } })
}

/** The client's own request, which is answered with a token, and then one with another credential. */
function requesting(
  expect: Outcome,
  made: (own: Credential, lab: Lab) => Credential,
  options?: CallOptions,
  form = {},
): Variant {
  return steps(expect, async (lab) => {
    const own = lab.credential(mintedHere(lab).boundTo)
    lab.judge(await requested(lab, own), accepted())
    return requested(lab, made(own, lab), form, options)
  })
}

/** A request of the client itself that says more, or says nothing of something. */
function withForm(expect: Outcome, form: Readonly<Record<string, string>>): Variant {
  return requesting(expect, (own) => own, {}, form)
}

async function unpinned(lab: Lab): Promise<Verdict> {
  const names = ['pinned', ['pinned.test']] as const
  const [pinned, other] = await Promise.all([issueSelfSigned(...names), issueSelfSigned(...names)])
  const form = { client_id: 'pinned', resource: 'https://pinned.test' }
  const method = { method: 'self_signed_tls_client_auth', pinnedCertificate: pinned.certPem }
  await registered(lab, { client_id: form.client_id, ...method, ...grantFor(form.resource) })
  const right = lab.credential(mintedHere(lab).boundTo).withCertificate(pinned, 'pinned')
  lab.judge(await requested(lab, right, form), accepted())
  return requested(lab, right.withCertificate(other, 'unpinned'), form)
}

/** A token of this auth server; by default one whose holder the operator listener lets in at TLS. */
async function ownToken(
  lab: Lab,
  fits = (holder: string | undefined, own: string) => holder === own,
): Promise<Credential> {
  const { node, domain } = lab.target
  const found = lab.tokenWhere(
    (token) => token.issuer === node && fits(lab.plan.nodes[holderOf(token)]?.domain, domain),
    `nobody of the wanted domain holds a token of ${node}`,
  )
  return lab.credential(found.name)
}

/** What is accepted of the operator, and then the same call by somebody else. */
function opening(action: string, by: Bearer, options: (lab: Lab) => Promise<CallOptions> = async () => ({})): Variant {
  return steps(A3('not_operator'), async (lab) => {
    const same = await options(lab)
    lab.judge(await lab.callAt({ action }, lab.good(), same), accepted())
    return lab.callAt({ action }, await by(lab), same)
  })
}

/** The token of a peer as its issuer would bind it to a certificate that the operator listener lets in at TLS. */
async function peerToken(lab: Lab): Promise<Credential> {
  const { node } = lab.target
  const peer = lab.tokenWhere(
    ({ scope, issuer }) => scope.includes('peer:connect') && issuer === node,
    `${node} mints no token for a peer`,
  )
  const key = await lab.site.signingKey(node)
  const token = await lab.credential(peer.name).token()
  const certificate = await (await ownToken(lab)).identity()
  return new Credential('with the token of a peer', async () => ({
    certificate,
    token: await mutateClaims(token, key, (own) => ({ ...own, ...bindingTo(certificate) })),
  }))
}
