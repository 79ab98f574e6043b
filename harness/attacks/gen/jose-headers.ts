import { createHmac, createPrivateKey, randomUUID } from 'node:crypto'
import type { JWK } from 'jose'
import { listenAsPeer } from '../../counterparts/peer/scripted-peer.ts'
import { chainOf, thumbprintS256 } from '../../pki/certificate.ts'
import { inspectToken } from '../../tokens/inspect.ts'
import { nearMissesOf } from '../../tokens/near-misses.ts'
import { cases, leftOpen, nearly, presenting, steps, strictly, type Variant } from '../attack.ts'
import { type Forgery, forged, forgedToken, forging, luring, luringSeat, newKey } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { A1, A2, accepted, either, type Outcome, overlong, refused } from '../outcome.ts'
import { soon } from './jose-sizes.ts'

const anyHint = leftOpen('a kid is a hint at the key, and whoever has one key only needs none (RFC 7515 section 4.1.4)')
const oneKey = leftOpen('kid is optional where a key set holds one key (RFC 7515 section 4.1.4)')
const ignoredHeader = leftOpen(
  'an unknown header that is not critical is ignored, and b64 true is the default (RFC 7515 section 4, RFC 7797 section 3)',
)

const noProducer = leftOpen(
  'that there is a list, and that it is not empty, binds who writes it (RFC 7515 section 4.1.11)',
)

/** Headers that would have the verifier take a key, a meaning or work from the token itself. */
export const headers = cases(['takes:bound-token'], {
  'GEN-06': {
    title: 'a place to fetch keys from is not visited',
    follows: 'bound-token/signature',
    source: 'RFC 8725 section 3.10',
    variants: {
      'jku of a listener': lured(A1('token_malformed'), (url) => ({ jku: `${url}/jwks` })),
      'x5u of a listener': lured(A1('token_malformed'), (url) => ({ x5u: `${url}/chain.pem` })),
      'jku of a plain listener': steps(A1('token_malformed'), luringInPlain),
      'jku of a file': ownKeyAt('jku', 'file:///etc/passwd'),
      'x5u of a file': ownKeyAt('x5u', 'file:///etc/ssl/certs/ca-certificates.crt'),
      'jku of a metadata service': ownKeyAt('jku', 'http://169.254.169.254/latest/meta-data/'),
    },
  },
  'GEN-07': {
    title: 'a certificate of the CA that is trusted for TLS signs no tokens',
    follows: 'bound-token/signature',
    source: 'RFC 7515 section 4.1.6; RFC 8725 section 3.8',
    needs: ['takes:bound-token', 'client-certificate'],
    variants: {
      x5c: signedByLeaf(A1('token_malformed'), (chain) => ({ x5c: chain })),
      'x5c without a kid': signedByLeaf(A1('token_malformed'), (chain) => ({ x5c: chain, kid: undefined })),
      'its thumbprint as x5t#S256': signedByLeaf(A1('signature_invalid'), (_, x5t) => ({ 'x5t#S256': x5t })),
      'its thumbprint as kid': signedByLeaf(A1('kid_unknown'), (_, x5t) => ({ kid: x5t })),
    },
  },
  'GEN-08': {
    title: 'a key id is looked up in the key set and nowhere else',
    follows: 'bound-token/signature',
    source: 'RFC 8725 section 3.10',
    variants: {
      'a path': hinted(A1('kid_unknown'), '../../../../dev/null'),
      'a path, signed with what lies there: nothing': forging(A1('alg_not_allowed'), {
        header: { alg: 'HS256', kid: `${'../'.repeat(12)}dev/null` },
        signature: (input) => createHmac('sha256', '').update(input).digest(),
      }),
      SQL: hinted(A1('kid_unknown'), "' OR 1=1--"),
      'a command': hinted(A1('kid_unknown'), '$(touch /tmp/kid)|id'),
      'a URL of a listener': lured(A1('kid_unknown'), (url) => ({ kid: `${url}/jwks` })),
      '64 KiB': hinted(overlong(refused(431, undefined, 'request_unreadable')), 'k'.repeat(65_536)),
      '5 000 characters': hinted(overlong(A1('token_malformed')), 'k'.repeat(5_000)),
      // In brackets: else it would be no member, but what the members are inherited from.
      ['__proto__']: hinted(A1('kid_unknown'), '__proto__'),
      constructor: hinted(A1('kid_unknown'), 'constructor'),
      'a number': hinted(A1('token_malformed'), 0),
      'a list': strictly(
        A1('token_malformed'),
        withKidOf(either(accepted(), A1('token_malformed')), (kid) => [kid]),
      ),
      null: hinted(A1('token_malformed'), null),
      'an empty text': hinted(A1('token_malformed'), ''),
      absent: oneKey(withKid(A1('token_malformed'), undefined)),
      ...nearly('kid', nearMissesOf.digest, (made) => anyHint(withKidOf(A1('kid_unknown'), made))),
    },
  },
  'GEN-12': {
    title: 'an extension that must be understood and is not ends the token',
    source: 'RFC 7515 section 4.1.11; CVE-2025-59420',
    variants: {
      'crit names cnf': withHeader({ crit: ['cnf'], cnf: {} }),
      'crit is empty': noProducer(withHeader({ crit: [] })),
      'crit names an absent header': withHeader({ crit: ['exp'] }),
      'crit is no list': withHeader({ crit: 'cnf' }),
      'crit is null': noProducer(withHeader({ crit: null })),
      'crit in an unprotected header': serialized(({ header, payload, signature }) => ({
        ...{ protected: header, payload, signature },
        header: { crit: ['cnf'] },
      })),
    },
  },
  'GEN-13': {
    title: 'a payload that is not encoded is refused',
    source: 'RFC 7797 sections 6 and 7',
    variants: {
      'b64 false without crit': ignoredHeader(withHeader({ b64: false })),
      'b64 false with crit': withHeader({ b64: false, crit: ['b64'] }),
      'b64 true with crit': ignoredHeader(withHeader({ b64: true, crit: ['b64'] })),
      'the payload in clear': presenting(A2('token_carrier_invalid'), async (good, lab) => {
        const key = await lab.signingKey()
        const unencoded = (token: string) => {
          const made = forgedToken(token, key, { header: { b64: false, crit: ['b64'] } })
          const [header, payload = '', signature] = made.split('.')
          return `${header}.${Buffer.from(payload, 'base64url').toString()}.${signature}`
        }
        return good.withToken(unencoded, 'with the payload in clear')
      }),
    },
  },
  'GEN-15': {
    title: 'only the compact serialization is a token',
    source: 'CVE-2022-39227; RFC 7519 section 1',
    variants: {
      flattened: serialized(({ header, payload, signature }) => ({ protected: header, payload, signature })),
      general: serialized(({ header, payload, signature }) => ({
        payload,
        signatures: [{ protected: header, signature }],
      })),
      'JSON and compact in one text': serialized(({ header, payload, signature }) => ({
        [`${header}.${forgedPayload}.`]: '',
        ...{ protected: header, payload, signature },
      })),
    },
  },
  'GEN-22': {
    title: 'an encrypted token is refused before anything is decrypted',
    follows: 'bound-token/signature',
    source: 'RFC 8725 section 3.6; RFC 7518 section 8.1',
    variants: {
      'PBES2 with ten million rounds': encrypted({
        ...{ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 10_000_000, p2s: 'c2FsdHNhbHRzYWx0c2FsdA' },
      }),
      deflated: encrypted({ alg: 'dir', enc: 'A256GCM', zip: 'DEF' }),
      'dir with an empty tag': encrypted({ alg: 'dir', enc: 'A256GCM' }, ''),
      'dir with a zero tag': encrypted({ alg: 'dir', enc: 'A256GCM' }, Buffer.alloc(16).toString('base64url')),
      'its header over three parts': forging(A1('alg_not_allowed'), {
        header: { alg: 'dir', enc: 'A256GCM' },
        signature: () => '',
      }),
    },
  },
})

const forgedPayload = Buffer.from('{"sub":"evil"}').toString('base64url')

function withHeader(header: Forgery['header']): Variant {
  return forging(A1('token_malformed'), { header })
}

function withKid(expect: Outcome, kid: unknown): Variant {
  return forging(expect, { header: { kid } })
}

/** Who knows by itself which key it is needs no hint, and may take any (RFC 7515 section 4.1.4). */
function hinted(expect: Outcome, kid: unknown): Variant {
  return strictly(expect, withKid(either(accepted(), expect), kid))
}

/** With one that is made of the real one. */
function withKidOf(expect: Outcome, made: (kid: string) => unknown): Variant {
  return forging(expect, async (lab) => {
    const kid = String(inspectToken(await lab.good().token())?.header.kid)
    return { header: { kid: made(kid) } }
  })
}

/** Names a listener of the attacker's in the header, as the place of the key. */
function lured(expect: Outcome, header: (url: string) => Forgery['header']): Variant {
  return steps(expect, async (lab) => {
    const key = { ...(await newKey()), kid: randomUUID() }
    return luring(lab, key, (url) => ({ header: { kid: key.kid, ...header(url) } }))
  })
}

async function luringInPlain(lab: Lab) {
  const peer = lab.site.own(await listenAsPeer({ seat: luringSeat(lab) }))
  const jku = `http://${lab.plan.nodes[lab.target.from]!.host}:${peer.port}/jwks`
  const verdict = await lab.call(forged(lab, 'luring', { key: await newKey(), header: { jku } }))
  lab.demand(peer.connections.length === 0, `it connected to ${jku}, which only the token names`)
  return verdict
}

function ownKeyAt(member: 'jku' | 'x5u', url: string): Variant {
  return forging(A1('token_malformed'), async () => ({ key: await newKey(), header: { [member]: url } }))
}

/** Signed with the key of the caller's own certificate, which is trusted, for TLS. */
function signedByLeaf(
  expect: Outcome,
  header: (chain: readonly string[], thumbprint: string) => Forgery['header'],
): Variant {
  return forging(expect, async (lab) => {
    const { certPem, keyPem } = await lab.good().identity()
    const x5c = chainOf(certPem).map(({ raw }) => raw.toString('base64'))
    const key = createPrivateKey(keyPem).export({ format: 'jwk' }) as JWK
    return { key, header: { alg: 'ES256', ...header(x5c, thumbprintS256(certPem)) } }
  })
}

/** The parts of the good token in a JSON text. */
function serialized(write: (parts: Record<'header' | 'payload' | 'signature', string>) => unknown): Variant {
  const asJson = (token: string) => {
    const [header = '', payload = '', signature = ''] = token.split('.')
    return JSON.stringify(write({ header, payload, signature }))
  }
  return presenting(A2('token_carrier_invalid'), (good) => good.withToken(asJson, 'as JSON'))
}

function encrypted(header: Record<string, unknown>, tag = 'dGFndGFndGFndGFndGFndA'): Variant {
  const first = Buffer.from(JSON.stringify({ typ: 'at+jwt', ...header })).toString('base64url')
  const bomb = Buffer.alloc(1_500).toString('base64url')
  const token = [first, 'AAAAAAAAAAAAAAAAAAAAAA', 'AAAAAAAAAAAAAAAA', bomb, tag].join('.')
  return soon(presenting(A1('token_malformed'), (good) => good.withToken(token, 'encrypted')))
}
