import { unspoiled } from '../../pki/spoiled.ts'
import { type Handshake, inTinyRecords, inTwoSegments, offering } from '../../protocols/tls/handshake.ts'
import type { CallOptions } from '../../site/call.ts'
import { calling, cases, leftOpen, nearly, presenting, type Variant } from '../attack.ts'
import { A0, A1, accepted, type Outcome, refused, T0 } from '../outcome.ts'
import { bare, pretence, rewritten } from './pretence.ts'

const elsewhere = 'elsewhere.example'
const misdirected = refused(421, 'misdirected_request', 'host_mismatch')

/** The accepted credential over a connection that begins otherwise. */
const shaking = (handshake: Handshake, expect: Outcome): Variant => calling(expect, { handshake })

/** The accepted credential with other bytes than those of its request. */
const saying = (expect: Outcome, change: (text: string) => string, options: CallOptions = {}): Variant =>
  calling(expect, { ...options, ...rewritten(change) })

/** The same with another line in the place of its Host. */
const hosting = (expect: Outcome, line: (host: string) => string, options?: CallOptions): Variant =>
  saying(expect, (text) => text.replace(/^Host: (.+)$/m, (_, host: string) => line(host)), options)

const hostNames = [
  ...['with more before it', 'with more behind it', 'with a dot behind it', 'with another character for a dot'],
] as const
const hostsServed = leftOpen('which hosts it serves is a server’s own matter (RFC 9110 section 7.4)')
const noAlpn = leftOpen(
  'who does not know ALPN ignores it, and speaks HTTP/1.1 (RFC 8446 section 4.2, RFC 7301 section 3.1)',
)

/** Old versions and suites, each offered alone. */
const tls12 = { version: 'TLSv1.2' } as const

/** What TLS, and HTTP above it, must not be talked into. */
export const connections = cases(['tls'], {
  'TLS-13': {
    title: 'who is meant is told by Host, and no name changes what is demanded of a caller',
    source: 'RFC 9110 sections 7.4 and 15.5.20; CVE-2022-23632; CVE-2026-48491; CVE-2026-53622',
    variants: {
      'another name in the handshake, no certificate': bare({ servername: elsewhere }),
      'no name in the handshake, no certificate': bare({ servername: null }),
      'another name in the handshake, the right Host': shaking({ servername: elsewhere }, accepted()),
      'another Host': hostsServed(hosting(misdirected, () => `Host: ${elsewhere}`)),
      'another Host, and the same name in the handshake': hostsServed(
        hosting(misdirected, () => `Host: ${elsewhere}`, { handshake: { servername: elsewhere } }),
      ),
      ...nearly('Host', hostNames, (made) =>
        hostsServed(hosting(misdirected, (host) => `Host: ${host.replace(/^[^:]+/, (name) => String(made(name)))}`)),
      ),
      'Host in upper case': hosting(accepted(), (host) => `Host: ${host.toUpperCase()}`),
      'the right Host, and a target that names another': hostsServed(
        saying(misdirected, (text) => text.replace(/^(\w+) (\S+)/, `$1 https://${elsewhere}$2`)),
      ),
      'the right Host, and a target that names it, too': saying(accepted(), (text) =>
        text.replace(/^(\w+) (\S+)/, `$1 https://${/^Host: (\S+)/m.exec(text)?.[1]}$2`),
      ),
      'two Hosts': hosting(
        refused(400, 'invalid_request', 'host_repeated'),
        (host) => `Host: ${host}\r\nHost: ${elsewhere}`,
      ),
      'no Host': saying(refused(400, 'invalid_request', 'host_missing'), (text) => text.replace(/^Host: .+\r\n/m, '')),
    },
  },
  'TLS-14': {
    title: 'a ClientHello in pieces is judged like a whole one',
    source: 'RFC 8446 section 5.1; CVE-2026-32305',
    variants: {
      'a record for each byte': shaking({ firstFlight: inTinyRecords }, accepted()),
      'two segments': shaking({ firstFlight: inTwoSegments }, accepted()),
      'a record for each byte, no certificate': bare({ firstFlight: inTinyRecords }),
      'two segments, no certificate': bare({ firstFlight: inTwoSegments }),
    },
  },
  'TLS-16': {
    title: 'versions and cipher suites that can be broken are spoken with nobody',
    source: 'RFC 8996; RFC 9325 sections 3.1.1 and 4.1',
    variants: {
      'TLS 1.0': shaking({ version: 'TLSv1' }, T0('handshake_failed')),
      'TLS 1.1': shaking({ version: 'TLSv1.1' }, T0('handshake_failed')),
      'no encryption': shaking({ ...tls12, ciphers: 'eNULL' }, T0('handshake_failed')),
      'no proof of the server': shaking({ ...tls12, ciphers: 'aNULL' }, T0('handshake_failed')),
      // TLS_RSA_WITH_RC4_128_SHA, TLS_ECDHE_ECDSA_WITH_RC4_128_SHA
      RC4: shaking({ ...tls12, firstFlight: offering([0x0005, 0xc007]) }, T0('handshake_failed')),
      // TLS_RSA_WITH_3DES_EDE_CBC_SHA, TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA
      '3DES': shaking({ ...tls12, firstFlight: offering([0x000a, 0xc008]) }, T0('handshake_failed')),
      // TLS_RSA_EXPORT_WITH_RC4_40_MD5, TLS_RSA_EXPORT_WITH_DES40_CBC_SHA
      'keys of 40 bits': shaking({ ...tls12, firstFlight: offering([0x0003, 0x0008]) }, T0('handshake_failed')),
    },
  },
  'TLS-17': {
    title: 'each request of a connection is judged by its own token',
    source: 'RFC 8705 section 3',
    needs: ['takes:bound-token', 'speaks:http'],
    variants: {
      'a token that is bound to another certificate, after an accepted request': presenting(
        A1('cnf_x5t_mismatch'),
        async (good, lab) => {
          const other = await unspoiled(await pretence(lab))
          return good.withToken(() => lab.mint(other), 'with a token of another certificate')
        },
        (good) => ({ first: good }),
      ),
      'no token, after an accepted request': presenting(
        A0('token_missing'),
        (good) => good.withoutToken(),
        (good) => ({ first: good }),
      ),
    },
  },
  'TLS-18': {
    title: 'nothing but HTTP/1.1 over TLS reaches a handler',
    source: 'RFC 9325 section 3.2; RFC 9113 section 3.1; RFC 9110 section 7.8',
    variants: {
      'HTTP in plain text': plain((text) => text),
      'HTTP/2 in plain text': plain(() => `${preface}\0\0\0\x04\0\0\0\0\0`),
      'HTTP in plain text that wants HTTP/2': plain(wantingHttp2),
      'HTTP/2 within TLS': saying(refused(400, undefined, 'request_unreadable'), () => preface),
      'HTTP/2 and nothing else in the handshake': noAlpn(shaking({ alpn: ['h2'] }, T0('handshake_failed'))),
      'HTTP/1.1 within TLS that wants HTTP/2': { ...saying(accepted(), wantingHttp2), needs: ['tls', 'speaks:http'] },
      'an upgrade to HTTP/2 instead of a session': {
        ...saying(refused(426, 'upgrade_required', 'upgrade_invalid'), (text) =>
          text.replace('Upgrade: websocket', 'Upgrade: h2c'),
        ),
        needs: ['tls', 'speaks:websocket'],
      },
    },
  },
})

/** RFC 9113 section 3.4. */
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

function plain(bytes: (text: string) => string): Variant {
  return calling(T0('handshake_failed'), { raw: { bytes: (text) => [bytes(text)], isPlain: true } })
}

/** The settings are empty: their base64url is, too. */
function wantingHttp2(text: string): string {
  const wanting = 'Connection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n'
  return text.replace(/^Upgrade: .+\r\n/m, '').replace(/^Connection: .+\r\n/m, wanting)
}
