import { issueLeaf, type LeafOptions, rogueAuthority } from '../../pki/authority.ts'
import { type Spoiling, spoiled } from '../../pki/spoiled.ts'
import { cases, nearly, type Variant } from '../attack.ts'
import { impostor, type MakeCertificate, ofDialersCa } from '../impostor.ts'

/** A server in the peer's place that is not believed. */
const untrusted = (certificate: MakeCertificate): Variant => impostor('server_untrusted', certificate)

/** A certificate of the peer's own CA that is wrong in one way. */
const spoiledServer = (spoiling: Spoiling): Variant => untrusted(spoiled[spoiling])

/** A certificate of the peer's own CA with names that are not the host's. */
const named = (sans: (host: string) => LeafOptions['sans']): Variant =>
  impostor('server_name_mismatch', (peer) => issueLeaf({ ...peer, sans: sans(peer.subject) }))

/** Each takes two connections. */
const hostNames = [
  ...['with another last character', 'with more before it', 'with more behind it', 'with a NUL and more behind it'],
  ...['with a dot behind it', 'with another character for a dot'],
] as const

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
      ...nearly('the host', hostNames, (made) => named((host) => [String(made(host))])),
      'the host in another entry’s text': named((host) => [`evil.test, DNS:${host}`]),
      'the host as URI': named((host) => [{ type: 'url', value: `https://${host}` }]),
      'the host as mail address': named((host) => [{ type: 'email', value: `admin@${host}` }]),
      'the host as user principal': named((host) => [{ type: 'upn', value: host }]),
      'an address, written as DNS name': impostor(
        'server_name_mismatch',
        (peer) => issueLeaf({ ...peer, sans: [peer.address] }),
        { at: 'address' },
      ),
    },
  },
  'TLS-12': {
    title: 'the name of a peer is vouched for by the CA of that peer alone, before the token is sent',
    source: 'SPIFFE Federation section 4.1; RFC 8705 section 7.4',
    variants: {
      "by the dialer's own CA": { ...untrusted(ofDialersCa), needs: ['dialer', 'two-issuers'] },
      'by a CA that nobody trusts': spoiledServer('otherCa'),
      'by itself, with the peer’s CA beside it': untrusted(async (peer) => {
        const { certPem, keyPem } = await issueLeaf({ ...peer, authority: await rogueAuthority() })
        return { certPem: certPem + peer.authority.intermediatesPem + peer.authority.anchorPem, keyPem }
      }),
      'by a leaf of the right CA': spoiledServer('leafSignedByLeaf'),
      'of the right CA, for clients only': spoiledServer('clientAuthOnly'),
      'of the right CA, expired': spoiledServer('expired'),
      'of the right CA, signed with SHA-1': spoiledServer('sha1Signed'),
    },
  },
})
