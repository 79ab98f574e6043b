import { issueLeaf } from '../../pki/authority.ts'
import { chainOf, type Identity } from '../../pki/certificate.ts'
import { pretendingToHold } from '../../pki/resigned.ts'
import { grantExtension, issueBelowConstraint, type Spoiling } from '../../pki/spoiled.ts'
import type { Handshake } from '../../protocols/tls/handshake.ts'
import type { Verdict } from '../../site/verdict.ts'
import { cases, leftOpen, type Variant } from '../attack.ts'
import type { Lab } from '../lab.ts'
import { A1, accepted, E, either, type Outcome, refused, T0 } from '../outcome.ts'
import { minted, ofClient, pretence, spoiledCall, stranger } from './pretence.ts'

/** `asClient`: why a handler refuses the client that such a certificate says to be, where TLS only asks for one. */
const spoiledBy = (spoiling: Spoiling, expect: Outcome, asClient?: string, how: How = {}): Variant => ({
  expect,
  ...(asClient !== undefined && { at: ofClient(asClient) }),
  attack: spoiledCall(spoiling, how.by, { handshake: how.handshake }),
})

interface How {
  by?: 'issuing' | 'root'
  handshake?: Handshake
}

/** TLS 1.3 has no signatures for these keys, so a client sends such a certificate over 1.2 only. */
const tls12: How = { handshake: { version: 'TLSv1.2' } }

/** Whoever calls with the victim's token, or as the operator, is none of them. */
const notTheVictim = either(A1('cnf_x5t_mismatch'), refused(403, 'access_denied', 'not_operator'))

/** Certificates that say the right thing and must not be believed. */
export const certificates = cases(['client-certificate'], {
  'TLS-01': {
    title: 'nobody gets in without a certificate',
    source: 'RFC 8446 section 4.4.2.4; RFC 5246 section 7.4.6; RFC 8705 section 2',
    variants: {
      'over TLS 1.3': bareOver('TLSv1.3'),
      'over TLS 1.2': bareOver('TLSv1.2'),
    },
  },
  'TLS-02': {
    title: 'a certificate counts within its time only',
    source: 'RFC 5280 section 6.1.3',
    variants: {
      expired: spoiledBy('expired', T0('cert_expired'), 'cert_expired'),
      'not yet valid': spoiledBy('notYetValid', T0('cert_not_yet_valid'), 'cert_not_yet_valid'),
    },
  },
  'TLS-03': {
    title: 'the same names by another CA are another holder',
    source: 'RFC 8705 section 7.4',
    variants: {
      'of a CA that nobody trusts': spoiledBy('otherCa', T0('cert_untrusted'), 'anchor_mismatch'),
    },
  },
  'TLS-04': {
    title: 'a name that nobody vouches for is no identity, where chains are not verified by TLS',
    source: 'RFC 8705 sections 2.1 and 7.4',
    needs: ['client-authentication'],
    variants: {
      "self-signed with the victim's names": {
        expect: E('invalid_client', 'anchor_mismatch'),
        attack: spoiledCall('selfSigned'),
      },
      "the victim's name as common name only": {
        expect: E('invalid_client', 'san_mismatch'),
        attack: async (lab) => {
          const who = await pretence(lab, await lab.authority())
          const identity = await issueLeaf({ ...who, sans: ['stranger.somebiz.local.io'] })
          return lab.call(lab.good().withCertificate(identity, 'with the name as common name'))
        },
      },
    },
  },
  'TLS-05': {
    title: 'a certificate must be one for clients',
    source: 'RFC 5280 section 4.2.1.12',
    variants: {
      'for servers only': spoiledBy('serverAuthOnly', T0('cert_eku_invalid'), 'anchor_mismatch'),
      'for code only': spoiledBy('codeSigningOnly', T0('cert_eku_invalid'), 'anchor_mismatch'),
      ...leftOpen('a certificate that names no purpose is for all of them (RFC 5280 section 4.2.1.12)', {
        'for nothing named': spoiledBy('noEku', T0('cert_eku_invalid'), 'anchor_mismatch'),
      }),
    },
  },
  'TLS-06': {
    title: 'a leaf signs nobody',
    source: 'RFC 5280 section 4.2.1.9',
    variants: {
      'signed by a leaf of the right CA': spoiledBy('leafSignedByLeaf', T0('cert_untrusted'), 'anchor_mismatch'),
    },
  },
  'TLS-07': {
    title: 'an intermediate stays within what its CA allowed it',
    source: 'RFC 5280 sections 4.2.1.9 and 4.2.1.10',
    variants: {
      'one authority too many': spoiledBy('belowPathLength', T0('cert_untrusted'), 'anchor_mismatch', { by: 'root' }),
      'outside the permitted names': spoiledBy('outsidePermittedNames', T0('cert_untrusted'), 'anchor_mismatch', {
        by: 'root',
      }),
      'inside the permitted names': {
        expect: accepted(),
        attack: async (lab) => {
          const who = await pretence(lab, await lab.authority('caller', 'root'))
          const identity = await issueBelowConstraint(who, who.sans[0]?.replace(/^[^.]+\./, '') ?? '')
          return lab.call(minted(lab, identity, 'by a constrained CA, within its names'))
        },
      },
    },
  },
  'TLS-08': {
    title: 'what is critical and unknown makes a certificate useless',
    source: 'RFC 5280 section 4.2',
    variants: {
      'an unknown extension': spoiledBy('unknownCritical', T0('cert_untrusted'), 'anchor_mismatch'),
      'the identifier of a grant, marked critical': spoiledBy(
        'ownOidCritical',
        T0('cert_untrusted'),
        'anchor_mismatch',
      ),
      'the identifier of a grant, not critical': {
        expect: accepted(),
        attack: async (lab) => {
          const who = await pretence(lab, await lab.authority())
          const identity = await issueLeaf({ ...who, extensions: [grantExtension] })
          return lab.call(minted(lab, identity, 'with an extension that is not critical'))
        },
      },
    },
  },
  'TLS-09': {
    title: 'keys and signatures that can be broken prove nothing',
    source: 'RFC 9325 section 4; RFC 5280 section 6.1',
    variants: {
      'RSA of 1024 bits': spoiledBy('weakKey', T0('cert_weak'), 'anchor_mismatch'),
      'signed with SHA-1': spoiledBy('sha1Signed', T0('cert_weak'), 'anchor_mismatch'),
      'signed with MD5': spoiledBy('md5Signed', T0('cert_weak'), 'anchor_mismatch', { by: 'root' }),
      'on the curve P-192': spoiledBy('weakCurve', T0('handshake_failed'), undefined, tls12),
      'on the curve secp256k1': spoiledBy('unusualCurve', T0('handshake_failed'), undefined, tls12),
    },
  },
  'TLS-10': {
    title: 'of several certificates the first counts, and the handshake proves that one',
    source: 'RFC 8446 section 4.4.2; CVE-2023-2422',
    variants: {
      "one's own, then the victim's": {
        expect: notTheVictim,
        at: ofClient('san_mismatch'),
        attack: (lab) => withBoth(lab, (own, victim) => ({ ...own, certPem: own.certPem + victim.certPem })),
      },
      "one's own, the victim's between it and its CA": {
        expect: notTheVictim,
        at: ofClient('san_mismatch'),
        attack: (lab) =>
          withBoth(lab, (own, victim) => {
            const [leaf = '', ...issuers] = blocksOf(own.certPem)
            return { ...own, certPem: [leaf, ...blocksOf(victim.certPem), ...issuers].join('') }
          }),
      },
      "the victim's, then one's own": {
        expect: T0('handshake_failed'),
        attack: (lab) =>
          withBoth(lab, (own, victim) => {
            const [leaf] = chainOf(victim.certPem)
            return {
              certPem: victim.certPem + own.certPem,
              keyPem: pretendingToHold(leaf!.publicKey, own.keyPem),
            }
          }),
      },
    },
  },
})

function bareOver(version: Handshake['version']): Variant {
  return {
    expect: T0('cert_missing'),
    at: ofClient('cert_missing'),
    attack: (lab) => lab.call(lab.good().withoutCertificate(), { handshake: { version } }),
  }
}

/** The victim's token over a connection whose caller sends the certificates of both. */
async function withBoth(lab: Lab, join: (own: Identity, victim: Identity) => Identity): Promise<Verdict> {
  const own = await stranger(lab)
  const both = lab
    .good()
    .withCertificate((victim) => join(own, victim), "with the victim's certificate beside one's own")
  return lab.call(both)
}

function blocksOf(pem: string): string[] {
  return chainOf(pem).map((certificate) => certificate.toString())
}
