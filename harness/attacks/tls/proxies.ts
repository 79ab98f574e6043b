import { chainOf } from '../../pki/certificate.ts'
import { type CertificateHeader, inHeader } from '../../pki/certificate-header.ts'
import { unspoiled } from '../../pki/spoiled.ts'
import type { Credential } from '../../site/credential.ts'
import { markJudged } from '../../site/judging.ts'
import type { Listener } from '../../topology/plan.ts'
import { calling, cases, leftOpen, type Made, presenting, type Variant } from '../attack.ts'
import type { Lab } from '../lab.ts'
import { A0, A1, accepted, type Outcome, refused, T0 } from '../outcome.ts'
import { notTheVictim, ofCertificateAlone, ofClient, rewritten, stranger, withLines } from './pretence.ts'

/** In the way of each proxy that sends it: RFC 9440 section 2.2, and what nginx, Envoy and Traefik document. */
const headers: Readonly<Record<string, (certificate: Shown) => string>> = {
  'Client-Cert': ({ der }) => `:${der.toString('base64')}:`,
  'X-SSL-Client-Cert': ({ pem }) => encodeURIComponent(pem),
  'X-Client-Cert': ({ pem }) => encodeURIComponent(pem),
  'X-Forwarded-Client-Cert': ({ pem, hash, subject }) =>
    `Hash=${hash};Cert="${encodeURIComponent(pem)}";Subject="${subject}"`,
  'X-Forwarded-Tls-Client-Cert': ({ der }) => der.toString('base64'),
  'Ssl-Client-Cert': ({ pem }) => pem.replaceAll('\n', ' ').trim(),
}

/** In the way of load balancers that are rented: those of AWS (verified, and passed through), Azure and Cloudflare, as they document it. */
const balancers: typeof headers = {
  'X-Amzn-Mtls-Clientcert-Leaf': ({ pem }) => encodeURIComponent(pem),
  'X-Amzn-Mtls-Clientcert': ({ pem }) => encodeURIComponent(pem),
  'X-ARR-ClientCert': ({ der }) => der.toString('base64'),
  'Cf-Client-Cert-Der-Base64': ({ der }) => der.toString('base64'),
}

type Shown = Awaited<ReturnType<typeof shown>>

const unreadable = refused(400, undefined, 'request_unreadable')
const noRevocationList =
  'no shipped service reads revocation lists: certificates live for minutes, and what ends before is ended at the issuer'

const foldedLine = leftOpen('a folded line may be refused, or read as one with blanks (RFC 9112 section 5.2)')

const naming = (...headers: readonly string[]) =>
  rewritten((text) => text.replace(/^Connection: .+$/m, `Connection: ${['close', ...headers].join(', ')}`))

const dropping = naming('X-SSL-Client-Cert', 'Authorization')

/** The victim's certificate in header lines, beside a stranger's own in the handshake. */
const beside = (lines: (victim: Shown) => readonly string[]): Variant => ({
  ...presenting(notTheVictim, strangerWithStolenToken, async (good) => withLines(...lines(await shown(good)))),
  at: { ...ofClient('san_mismatch'), ...ofCertificateAlone },
  fault: faultOfHops,
})

/** The same in the header in which the program finds certificates, whatever its name. */
const inOwnHeader = (
  lines: (name: string, victim: string) => readonly string[],
  { made = strangerWithStolenToken, expect = notTheVictim }: Partial<{ made: Made<Credential>; expect: Outcome }> = {},
): Variant => ({
  ...presenting(expect, made, async (good, lab) => {
    const { name, encoding } = headerOf(lab)
    return withLines(...lines(name, inHeader((await good.identity()).certPem, encoding)))
  }),
  needs: ['certificate-header'],
  fault: faultOfHops,
})

const inElements = (lines: (name: string, victim: string) => readonly string[]): Variant => ({
  ...inOwnHeader(lines),
  needs: ['forwarded-client-cert'],
})

/** Past the proxy, straight at the program, with a certificate in its header as that would write it. */
const past = (made: (good: Credential) => Credential, lines = noLines): Variant => ({
  ...presenting(T0('not_through_proxy'), made, async (good, lab) => {
    const { name, encoding } = headerOf(lab)
    // The proxy runs beside its program.
    const further = lines(name, inHeader((await good.identity()).certPem, encoding), lab.site.node(lab.target.node))
    return { listener: ownListener(lab).name, ...(further.length > 0 && withLines(...further)) }
  }),
  fault: async (lab) => {
    const { ways = {} } = lab.planned.verification ?? {}
    return Object.values(ways).find(({ call }) => call.listener === ownListener(lab).name)?.fault
  },
})

const noLines = (_name: string, _value: string, _proxy: { readonly address: string }): readonly string[] => []

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
      'those of load balancers, beside another certificate': beside((victim) => written(balancers, victim)),
      'all of them, and no certificate': {
        ...presenting(
          T0('cert_missing'),
          (good) => good.withoutCertificate(),
          async (good) => withLines(...written(headers, await shown(good))),
        ),
        at: ofClient('cert_missing'),
      },
      'the header of its own, beside another certificate': inOwnHeader((name, victim) => [`${name}: ${victim}`]),
      'the header of its own, and no certificate': inOwnHeader((name, victim) => [`${name}: ${victim}`], {
        made: (good) => good.withoutCertificate(),
        expect: T0('cert_missing'),
      }),
      "the header of its own with a stranger's, beside the right certificate": {
        ...calling(accepted(), async (good, lab) => {
          const { name, encoding } = headerOf(lab)
          const { certPem } = await (await strangerWithStolenToken(good, lab)).identity()
          return withLines(`${name}: ${inHeader(certPem, encoding)}`)
        }),
        needs: ['certificate-header'],
      },
      "all of them with a stranger's, beside the right certificate": calling(accepted(), async (good, lab) =>
        withLines(...written(headers, await shown(await strangerWithStolenToken(good, lab)))),
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
      'the header of its own, with underscores': inOwnHeader((name, victim) => [
        `${name.replaceAll('-', '_')}: ${victim}`,
      ]),
      'the header of its own, twice, in two cases': inOwnHeader((name, victim) =>
        [name.toLowerCase(), name.toUpperCase()].map((one) => `${one}: ${victim}`),
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
      'the header of its own, which counts all the same': {
        ...calling(accepted(), async (_, lab) => naming(headerOf(lab).name)),
        needs: ['certificate-header'],
      },
      'a token that is not there': dropped(A0('token_missing'), (good) => good.withoutToken()),
      'a token of another certificate': dropped(A1('cnf_x5t_mismatch'), strangerWithStolenToken),
    },
  },
  'TLS-24': {
    title: 'a program behind a proxy hears nobody else',
    source: 'RFC 9440 section 4; RFC 7239 section 8.1',
    needs: ['behind-proxy'],
    variants: {
      'the right certificate in the header': past((good) => good),
      'the right certificate in the header, twice': past(
        (good) => good,
        (name, value) => [`${name}: ${value}`],
      ),
      'no certificate in the header': past((good) => good.withoutCertificate()),
      'the right certificate in the header, and its proxy named as where the call comes from': past(
        (good) => good,
        (_name, _value, { address }) => [
          `X-Real-IP: ${address}`,
          `X-Forwarded-For: ${address}`,
          `Forwarded: for=${address}`,
        ],
      ),
    },
  },
  'TLS-25': {
    title: 'of a forwarded certificate only what the own proxy added counts',
    source: 'Envoy: x-forwarded-client-cert',
    needs: ['forwarded-client-cert'],
    variants: {
      'an element before it': inElements((name, victim) => [`${name}: ${victim},`]),
      'an element whose quotes stay open': inElements((name, victim) => [`${name}: ${victim};Subject="`]),
      'an element in the name of its own certificate': {
        ...presenting(notTheVictim, strangerNamed),
        fault: async (lab) => {
          return `between the proxy of ${unitOf(lab)} and its program: the name of a certificate is read as an element; the proxy must escape it, or leave it out`
        },
      },
    },
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

/** A stranger whose name closes the quotes around it, and goes on with the hash of the victim. */
async function strangerNamed(good: Credential, lab: Lab): Promise<Credential> {
  const { hash } = await shown(good)
  const host = 'stranger.example'
  const certificate = await unspoiled({
    authority: await lab.authority(),
    subject: `";Hash=${hash};By="`,
    sans: [host],
  })
  return good.withCertificate(certificate, "over the certificate of a stranger with the victim's hash in its name")
}

function headerOf(lab: Lab): CertificateHeader {
  return lab.planned.listener.certificateHeader!
}

/** What the program has for its proxy alone. */
function ownListener(lab: Lab): Listener {
  const { unit, listener } = lab.planned
  const found = lab.plan.nodes[lab.target.node]!.units.find(({ name }) => name === unit)
  return found!.service!.listeners.find(({ behind }) => behind === listener.name)!
}

function unitOf(lab: Lab): string {
  return `${lab.target.node}/${lab.target.unit}`
}

/** Which hop let a header of the caller's count, where a program finds certificates in one; none where the call works without it. */
async function faultOfHops(lab: Lab): Promise<string | undefined> {
  const header = lab.planned.listener.certificateHeader
  if (header === undefined) return undefined
  const without = await lab.call(await strangerWithStolenToken(lab.good(), lab))
  markJudged(without)
  if (without.promised) return undefined
  return `the proxy in front of ${unitOf(lab)}: it hands on what a caller wrote into ${header.name}; let it set the header, or delete what came, and not add to it (RFC 9440 section 2.4)`
}

async function shown(credential: Credential) {
  const leaf = chainOf((await credential.identity()).certPem)[0]!
  const hash = leaf.fingerprint256.replaceAll(':', '').toLowerCase()
  return { der: Buffer.from(leaf.raw), pem: leaf.toString(), hash, subject: leaf.subject.replaceAll('\n', ',') }
}

function written(by: typeof headers, certificate: Shown): string[] {
  return Object.entries(by).map(([name, write]) => `${name}: ${write(certificate)}`)
}
