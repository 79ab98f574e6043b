import { issueLeaf } from '../../pki/authority.ts'
import { chainOf, type Identity } from '../../pki/certificate.ts'
import { pretendingToHold } from '../../pki/resigned.ts'
import { grantExtension, issueBelowConstraint, type Spoiling, spoiled } from '../../pki/spoiled.ts'
import type { Handshake } from '../../protocols/tls/handshake.ts'
import { cases, leftOpen, presenting, type Variant } from '../attack.ts'
import { accepted, E, type Outcome, T0 } from '../outcome.ts'
import { bare, minted, notTheVictim, ofCertificateAlone, ofClient, pretence, stranger, whollyOver } from './pretence.ts'

interface How {
  by?: 'root' | 'nobody'
  handshake?: Handshake
  /** Why a handler refuses such a client, where TLS only asks for a certificate; null: TLS ends it there, too. */
  asClient?: string | null
}

/** The accepted credential over a certificate with its names that is wrong in one way, and bound to that: nothing else is wrong. */
const spoiledBy = (
  spoiling: Spoiling,
  reason: string,
  { by, handshake, asClient = 'anchor_mismatch' }: How = {},
): Variant => ({
  ...presenting(
    T0(reason),
    async (good, lab) =>
      whollyOver(good, lab, await spoiled[spoiling](await pretence(lab, by)), `over a certificate that is ${spoiling}`),
    { handshake },
  ),
  ...(asClient !== null && { at: ofClient(asClient) }),
})

/** TLS 1.3 has no signatures for these keys, so a client sends such a certificate over 1.2 only. */
const tls12: How = { handshake: { version: 'TLSv1.2' }, asClient: null }

const anyPurpose = leftOpen('a certificate that names no purpose is for all of them (RFC 5280 section 4.2.1.12)')

const shortKey = leftOpen('2048 bits are demanded of the certificate of a server (RFC 9325 section 4.5)')
const sha1 = leftOpen(
  'to refuse what is signed with SHA-1 is recommended; MD5 must be refused (RFC 8446 section 4.4.2.4)',
)

/** A server of Go says that it does not take such signatures, so that a client shows nothing. */
const md5 = (variant: Variant): Variant => ({
  ...variant,
  at: { ...variant.at, 'takes:nats-creds': T0('cert_weak', 'cert_missing') },
})

/** Credentials that are bound to no certificate are as good over another: it is the one that is proven. */
const boundToNone: Variant['at'] = { 'takes:nats-creds': accepted() }

/** Certificates that say the right thing and must not be believed. */
export const certificates = cases(['client-certificate'], {
  'TLS-01': {
    title: 'nobody gets in without a certificate',
    source: 'RFC 8446 section 4.4.2.4; RFC 5246 section 7.4.6; RFC 8705 section 2',
    variants: {
      'over TLS 1.3': bare({ version: 'TLSv1.3' }),
      'over TLS 1.2': bare({ version: 'TLSv1.2' }),
    },
  },
  'TLS-02': {
    title: 'a certificate counts within its time only',
    follows: 'certificate/trusted',
    source: 'RFC 5280 section 6.1.3',
    variants: {
      expired: spoiledBy('expired', 'cert_expired', { asClient: 'cert_expired' }),
      'not yet valid': spoiledBy('notYetValid', 'cert_not_yet_valid', { asClient: 'cert_not_yet_valid' }),
    },
  },
  'TLS-03': {
    title: 'the same names by another CA are another holder',
    follows: 'certificate/trusted',
    source: 'RFC 8705 section 7.4',
    variants: { 'of a CA that nobody trusts': spoiledBy('otherCa', 'cert_untrusted', { by: 'nobody' }) },
  },
  'TLS-04': {
    title: 'a name that nobody vouches for is no identity, where chains are not verified by TLS',
    source: 'RFC 8705 sections 2.1 and 7.4',
    needs: ['client-authentication'],
    variants: {
      "self-signed with the victim's names": {
        ...spoiledBy('selfSigned', 'cert_untrusted', { by: 'nobody', asClient: null }),
        expect: E('invalid_client', 'anchor_mismatch'),
      },
      "the victim's name as common name only": presenting(E('invalid_client', 'san_mismatch'), async (good, lab) => {
        const identity = await issueLeaf({ ...(await pretence(lab)), sans: ['stranger.example'] })
        return good.withCertificate(identity, 'with the name as common name')
      }),
    },
  },
  'TLS-05': {
    title: 'a certificate must be one for clients',
    follows: 'certificate/trusted',
    source: 'RFC 5280 section 4.2.1.12',
    variants: {
      'for servers only': spoiledBy('serverAuthOnly', 'cert_eku_invalid'),
      'for code only': spoiledBy('codeSigningOnly', 'cert_eku_invalid'),
      'for nothing named': anyPurpose(spoiledBy('noEku', 'cert_eku_invalid')),
    },
  },
  'TLS-06': {
    title: 'a leaf signs nobody',
    follows: 'certificate/trusted',
    source: 'RFC 5280 section 4.2.1.9',
    variants: { 'signed by a leaf of the right CA': spoiledBy('leafSignedByLeaf', 'cert_untrusted') },
  },
  'TLS-07': {
    title: 'an intermediate stays within what its CA allowed it',
    follows: 'certificate/trusted',
    source: 'RFC 5280 sections 4.2.1.9 and 4.2.1.10',
    variants: {
      'one authority too many': spoiledBy('belowPathLength', 'cert_untrusted', { by: 'root' }),
      'outside the permitted names': spoiledBy('outsidePermittedNames', 'cert_untrusted', { by: 'root' }),
      'inside the permitted names': presenting(accepted(), async (_, lab) => {
        const who = await pretence(lab, 'root')
        const identity = await issueBelowConstraint(who, who.sans[0]?.replace(/^[^.]+\./, '') ?? '')
        return minted(lab, identity, 'by a constrained CA, within its names')
      }),
    },
  },
  'TLS-08': {
    title: 'what is critical and unknown makes a certificate useless',
    follows: 'certificate/trusted',
    source: 'RFC 5280 section 4.2',
    variants: {
      'an unknown extension': spoiledBy('unknownCritical', 'cert_untrusted'),
      'the identifier of a grant, marked critical': spoiledBy('ownOidCritical', 'cert_untrusted'),
      'the identifier of a grant, not critical': presenting(accepted(), async (_, lab) => {
        const identity = await issueLeaf({ ...(await pretence(lab)), extensions: [grantExtension] })
        return minted(lab, identity, 'with an extension that is not critical')
      }),
    },
  },
  'TLS-09': {
    title: 'keys and signatures that can be broken prove nothing',
    follows: 'certificate/trusted',
    source: 'RFC 9325 section 4; RFC 5280 section 6.1',
    variants: {
      'RSA of 1024 bits': shortKey(spoiledBy('weakKey', 'cert_weak')),
      'signed with SHA-1': sha1(spoiledBy('sha1Signed', 'cert_weak')),
      'signed with MD5': md5(spoiledBy('md5Signed', 'cert_weak', { by: 'root' })),
      'on the curve P-192': spoiledBy('weakCurve', 'handshake_failed', tls12),
      'on the curve secp256k1': spoiledBy('unusualCurve', 'handshake_failed', tls12),
    },
  },
  'TLS-10': {
    title: 'of several certificates the first counts, and the handshake proves that one',
    source: 'RFC 8446 section 4.4.2; CVE-2023-2422',
    variants: {
      "one's own, then the victim's": {
        ...withBoth(notTheVictim, (own, victim) => ({ ...own, certPem: own.certPem + victim.certPem })),
        at: { ...ofClient('san_mismatch'), ...ofCertificateAlone, ...boundToNone },
      },
      "one's own, the victim's between it and its CA": {
        ...withBoth(notTheVictim, (own, victim) => {
          const [leaf = '', ...issuers] = blocksOf(own.certPem)
          return { ...own, certPem: [leaf, ...blocksOf(victim.certPem), ...issuers].join('') }
        }),
        at: { ...ofClient('san_mismatch'), ...ofCertificateAlone, ...boundToNone },
      },
      "the victim's, then one's own": withBoth(T0('handshake_failed'), (own, victim) => {
        const [leaf] = chainOf(victim.certPem)
        const keyPem = pretendingToHold(leaf!.publicKey, own.keyPem)
        return { certPem: victim.certPem + own.certPem, keyPem }
      }),
    },
  },
})

/** The victim's token over a connection whose caller sends the certificates of both. */
function withBoth(expect: Outcome, join: (own: Identity, victim: Identity) => Identity): Variant {
  return presenting(expect, async (good, lab) => {
    const own = await stranger(lab)
    return good.withCertificate((victim) => join(own, victim), "with the victim's certificate beside one's own")
  })
}

function blocksOf(pem: string): string[] {
  return chainOf(pem).map((certificate) => certificate.toString())
}
