import { decode } from '@nats-io/jwt'
import { loginLine } from '../../protocols/nats/login.ts'
import { calling, cases, presenting, steps, type Variant } from '../attack.ts'
import type { Lab } from '../lab.ts'
import { accepted, type Outcome, T0 } from '../outcome.ts'
import { nAv } from './outcomes.ts'
import { inState, withCreds } from './spoiling.ts'

const source = 'nats-server, auth.go'
const unreadable = nAv('nats_credentials_missing')

/** The login of somebody who has no credentials, and says this instead. */
const withoutCreds = (said: Readonly<Record<string, string>>): Variant =>
  calling(unreadable, { connect: ({ jwt: _, sig: __, ...own }) => ({ ...own, ...said }) })

/** The same JWT after another header: nobody signed the two together. */
const headed = (alg: string, sign: (parts: readonly string[]) => string = ([, , own = '']) => own): Variant =>
  withCreds(unreadable, `whose JWT says ${alg}`, ({ jwt }) => {
    const [, payload = '', signature = ''] = jwt.split('.')
    const header = Buffer.from(JSON.stringify({ typ: 'JWT', alg })).toString('base64url')
    return { jwt: [header, payload, sign([header, payload, signature])].join('.') }
  })

const saying = (expect: Outcome, said: Readonly<Record<string, unknown>>): Variant =>
  calling(expect, { connect: (own) => ({ ...own, ...said }) })

/** What must not be a login. */
export const logins = cases(['takes:nats-creds', 'speaks:nats'], {
  'NATS-01': {
    title: 'nobody is let in without a JWT',
    source,
    variants: {
      'no credentials': presenting(unreadable, (good) => good.without('creds')),
      'user and password': withoutCreds({ user: 'admin', pass: 'admin' }),
      'a token': withoutCreds({ auth_token: 'admin' }),
      'the public key alone': presenting(
        unreadable,
        (good) => good,
        async (good) => {
          const { jwt } = await good.part('creds')
          return { connect: ({ jwt: _, ...own }) => ({ ...own, nkey: decode(jwt).sub }) }
        },
      ),
      'the JWT as a password': presenting(
        unreadable,
        (good) => good,
        async (good) => {
          const { jwt } = await good.part('creds')
          return { connect: ({ jwt: _, sig: __, ...own }) => ({ ...own, user: decode(jwt).sub, pass: jwt }) }
        },
      ),
    },
  },
  'NATS-02': {
    title: 'a JWT alone is no login',
    source,
    variants: {
      'no signature': saying(nAv('nats_signature_missing'), { sig: undefined }),
      'an empty signature': saying(nAv('nats_signature_missing'), { sig: '' }),
      'without the key': inState('without a key', nAv('nats_signature_missing')),
    },
  },
  'NATS-03': {
    title: 'a signature proves the key of the JWT, for this connection alone',
    source,
    variants: {
      'of another key': inState('with another key', nAv('nats_signature_invalid')),
      'of another nonce': calling(nAv('nats_signature_invalid'), {
        connect: (own, { sign }) => ({ ...own, sig: sign('AAAAAAAAAAAAAAA') }),
      }),
      'of nothing': calling(nAv('nats_signature_invalid'), { connect: (own, { sign }) => ({ ...own, sig: sign('') }) }),
      'of the nonce in another case': calling(nAv('nats_signature_invalid'), {
        connect: (own, { sign, nonce }) => ({
          ...own,
          sig: sign(nonce.toLowerCase() === nonce ? nonce.toUpperCase() : nonce.toLowerCase()),
        }),
      }),
      'of another connection': steps(nAv('nats_signature_invalid'), replayed),
      'in no base64': saying(nAv('nats_signature_invalid'), { sig: '!' }),
      'cut off': calling(nAv('nats_signature_invalid'), {
        connect: (own) => ({ ...own, sig: String(own.sig).slice(0, 80) }),
      }),
    },
  },
  'NATS-04': {
    title: 'a user of another operator is nobody',
    source: 'nats-server, auth.go isTrustedIssuer',
    variants: { 'of another operator': inState('of another operator', nAv('nats_account_unknown')) },
  },
  'NATS-05': {
    title: 'a signing key signs for its own account',
    source: 'nats-server, auth.go hasIssuer',
    variants: { 'for another account': inState('naming another account', nAv('nats_issuer_unknown')) },
  },
  'NATS-06': {
    title: 'a user of a signing key names his account',
    source: 'NATS JWT v2, user claims',
    variants: { 'for no account': inState('naming no account', nAv('nats_account_unknown')) },
  },
  'NATS-07': {
    title: 'a JWT is what its issuer signed, of a user, and in the one algorithm',
    source: 'NATS JWT v2, decoder; RFC 8725 sections 3.1 and 3.11',
    variants: {
      'an edited payload': inState('tampered', unreadable),
      'no algorithm': headed('none', () => ''),
      'no algorithm, and the old signature': headed('none'),
      HS256: headed('HS256'),
      EdDSA: headed('EdDSA'),
      'the algorithm of version 1': headed('ed25519'),
      'the algorithm in another case': headed('ED25519-NKEY'),
      'the JWT of an account': inState('with the JWT of its account', unreadable),
      'signed by the user': inState('signed by itself', unreadable),
      'one part too many': withCreds(unreadable, 'whose JWT has one part more', ({ jwt }) => ({ jwt: `${jwt}.x` })),
      'no signature': withCreds(unreadable, 'whose JWT has no signature', ({ jwt }) => ({
        jwt: jwt.slice(0, jwt.lastIndexOf('.') + 1),
      })),
    },
  },
  'NATS-08': {
    title: 'a JWT counts within its time only',
    source: 'CVE-2020-26892',
    variants: {
      expired: inState('expired', nAv('nats_jwt_expired')),
      'not yet valid': inState('not yet valid', nAv('nats_jwt_expired')),
    },
  },
  'NATS-12': {
    title: 'no JWT is enough without its key',
    source: 'NATS JWT v2, bearer_token and disallow_bearer',
    variants: {
      'a bearer': inState('as a bearer', nAv('nats_bearer')),
    },
  },
  'NATS-13': {
    title: 'a user comes the way, from the place and at the time that he may',
    source: 'nats-server, auth.go',
    variants: {
      'of WebSockets': inState('for WebSockets', nAv('nats_connection_type')),
      'from elsewhere': inState('from elsewhere', nAv('nats_source')),
      'at another hour': inState('at another hour', nAv('nats_time')),
      'with a role of his own making': inState('with permissions of its own', nAv('nats_scope_violation')),
      'signed by the account itself': {
        ...inState('signed by its account', nAv('nats_issuer_unknown')),
        needs: ['takes:nats-creds', 'speaks:nats', 'strict-signing'],
      },
    },
  },
  'NATS-17': {
    title: 'which account one is in is told by the JWT alone',
    source: 'CVE-2022-24450',
    variants: {
      'another account': saying(nAv('nats_account_named'), { account: 'ADMIN' }),
      'a new account': saying(nAv('nats_account_named'), { account: 'ADMIN', new_account: true }),
      'the system account': saying(nAv('nats_account_named'), { account: '$SYS' }),
    },
  },
  'NATS-20': {
    title: 'nothing is done before a login',
    source: 'GHSA-38x3-76xf-cq45; GHSA-hmmp-q8cx-v964',
    variants: {
      'a subscription': instead('SUB > 1\r\n'),
      'a message': instead('PUB holdfast.attack 2\r\nhi\r\n'),
      'a ping': instead(''),
      'a login in the clear': calling(T0('handshake_failed'), { raw: { bytes: (line) => [line], isPlain: true } }),
      'a login over an old version of TLS': calling(T0('handshake_failed'), { handshake: { version: 'TLSv1.1' } }),
      'a login of nobody': calling(unreadable, { raw: { bytes: () => [loginLine({})] } }),
    },
  },
})

function instead(line: string): Variant {
  return calling(nAv('nats_login_missing'), { raw: { bytes: () => [line] } })
}

/** Says in one login what another one said, over a connection of its own. */
async function replayed(lab: Lab) {
  let heard: unknown
  const first = await lab.call(lab.good(), {
    connect: (own) => {
      heard = own.sig
      return own
    },
  })
  lab.judge(first, accepted())
  return lab.call(lab.good(), { connect: (own) => ({ ...own, sig: heard }) })
}
