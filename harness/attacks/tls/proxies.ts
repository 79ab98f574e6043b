import { chainOf } from '../../pki/certificate.ts'
import type { Credential } from '../../site/credential.ts'
import { calling, cases, leftOpen, presenting, type Variant } from '../attack.ts'
import type { Lab } from '../lab.ts'
import { A0, A1, accepted, type Outcome, refused, T0 } from '../outcome.ts'
import { notTheVictim, ofClient, rewritten, stranger, withLines } from './pretence.ts'

/** In the way of each proxy that sends it: RFC 9440 section 2.2, and what nginx, Envoy and Traefik document. */
const headers: Readonly<Record<string, (certificate: Shown) => string>> = {
  'Client-Cert': ({ der }) => `:${der.toString('base64')}:`,
  'X-SSL-Client-Cert': ({ pem }) => encodeURIComponent(pem),
  'X-Client-Cert': ({ der }) => der.toString('base64'),
  'X-Forwarded-Client-Cert': ({ der, hash, subject }) =>
    `Hash=${hash};Cert="${encodeURIComponent(der.toString('base64'))}";Subject="${subject}"`,
  'X-Forwarded-Tls-Client-Cert': ({ der }) => der.toString('base64'),
  'Ssl-Client-Cert': ({ pem }) => pem.replaceAll('\n', ' ').trim(),
}

type Shown = Awaited<ReturnType<typeof shown>>

const unreadable = refused(400, undefined, 'request_unreadable')
const notBehindProxy =
  'no shipped service stands behind a proxy, or reads a certificate from a header: it terminates TLS itself'
const noRevocationList =
  'no shipped service reads revocation lists: certificates live for minutes, and what ends before is ended at the issuer'

const foldedLine = leftOpen('a folded line may be refused, or read as one with blanks (RFC 9112 section 5.2)')

const dropping = rewritten((text) =>
  text.replace(/^Connection: .+$/m, 'Connection: close, X-SSL-Client-Cert, Authorization'),
)

/** The victim's certificate in header lines, beside a stranger's own in the handshake. */
const beside = (lines: (victim: Shown) => readonly string[]): Variant => ({
  ...presenting(notTheVictim, strangerWithStolenToken, async (good) => withLines(...lines(await shown(good)))),
  at: ofClient('san_mismatch'),
})

/** Certificates that somebody says he was shown. */
export const proxies = cases(['client-certificate'], {
  'TLS-19': {
    title: 'a revoked certificate is refused',
    source: 'RFC 5280 section 6.3',
    notHere: noRevocationList,
  },
  'TLS-20': {
    title: 'a revocation list that cannot be used admits nobody',
    source: 'RFC 5280 section 6.3.3',
    notHere: noRevocationList,
  },
  'TLS-21': {
    title: 'a certificate in a header is nobody’s',
    source: 'RFC 9440 sections 2.4 and 4; RFC 9700 section 4.13; CVE-2024-10039',
    needs: ['client-certificate', 'tls'],
    variants: {
      ...Object.fromEntries(
        Object.entries(headers).map(([name, write]) => [
          `${name}, beside another certificate`,
          beside((victim) => [`${name}: ${write(victim)}`]),
        ]),
      ),
      'all of them, and no certificate': {
        ...presenting(
          T0('cert_missing'),
          (good) => good.withoutCertificate(),
          async (good) => withLines(...allOf(await shown(good))),
        ),
        at: ofClient('cert_missing'),
      },
      "all of them with a stranger's, beside the right certificate": calling(accepted(), async (good, lab) =>
        withLines(...allOf(await shown(await strangerWithStolenToken(good, lab)))),
      ),
    },
  },
  'TLS-22': {
    title: 'no spelling of such a header makes it count',
    source: 'RFC 9112 section 5.1; CVE-2025-64484',
    needs: ['client-certificate', 'tls'],
    variants: {
      'with underscores': beside(({ pem }) => [`X_SSL_Client_Cert: ${encodeURIComponent(pem)}`]),
      'twice, in two cases': beside(({ pem }) =>
        ['x-ssl-client-cert', 'X-SSL-CLIENT-CERT'].map((name) => `${name}: ${encodeURIComponent(pem)}`),
      ),
      'with a space before the colon': misspelled((value) => `X-SSL-Client-Cert : ${value}`),
      'on a folded line': foldedLine(misspelled((value) => `X-SSL-Client-Cert:\r\n ${value}`)),
    },
  },
  'TLS-23': {
    title: 'no header is taken away by Connection',
    source: 'RFC 9110 section 7.6.1; CVE-2024-45410; CVE-2025-48865',
    variants: {
      'the token, which counts all the same': {
        ...calling(accepted(), dropping),
        needs: ['client-certificate', 'speaks:http'],
      },
      'a token that is not there': dropped(A0('token_missing'), (good) => good.withoutToken()),
      'a token of another certificate': dropped(A1('cnf_x5t_mismatch'), strangerWithStolenToken),
    },
  },
  'TLS-24': {
    title: 'an origin behind a proxy hears nobody else',
    source: 'RFC 9440 section 4',
    notHere: notBehindProxy,
  },
  'TLS-25': {
    title: 'of a forwarded certificate only what the own proxy added counts',
    source: 'Envoy: x-forwarded-client-cert',
    notHere: notBehindProxy,
  },
})

/** By the accepted credential: such a request must not be read at all, whoever sends it. */
function misspelled(line: (value: string) => string): Variant {
  return calling(unreadable, async (good) => withLines(line(encodeURIComponent((await shown(good)).pem))))
}

function dropped(expect: Outcome, made: (good: Credential, lab: Lab) => Credential | Promise<Credential>): Variant {
  return { ...presenting(expect, made, dropping), needs: ['takes:bound-token', 'speaks:http'] }
}

/** The stolen token of the accepted credential, over the stranger's certificate; where the certificate is all, that one alone. */
async function strangerWithStolenToken(good: Credential, lab: Lab): Promise<Credential> {
  return good.withCertificate(await stranger(lab), "over a stranger's certificate")
}

async function shown(credential: Credential) {
  const leaf = chainOf((await credential.identity()).certPem)[0]!
  const hash = leaf.fingerprint256.replaceAll(':', '').toLowerCase()
  return { der: Buffer.from(leaf.raw), pem: leaf.toString(), hash, subject: leaf.subject.replaceAll('\n', ',') }
}

function allOf(certificate: Shown): string[] {
  return Object.entries(headers).map(([name, write]) => `${name}: ${write(certificate)}`)
}
