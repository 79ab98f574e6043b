import { type DistinguishedName, issueLeaf, type OtherName } from '../../pki/authority.ts'
import type { Identity } from '../../pki/certificate.ts'
import { Credential } from '../../site/credential.ts'
import { nearMissesOf } from '../../tokens/near-misses.ts'
import { cases, leftOpen, nearly, presenting, type Variant } from '../attack.ts'
import type { Lab } from '../lab.ts'
import { nAv } from '../nats/outcomes.ts'
import { A0, A1, A3, accepted, either, type Outcome, refused } from '../outcome.ts'
import { forgedFor, minted, ofCertificateAlone, ofClient, pretence } from './pretence.ts'

/** Each target says it in its own way that a certificate names nobody whom it knows. */
const namesNobody: Outcome = either(
  A1('san_mismatch'),
  A3('not_operator'),
  refused(403, 'access_denied', 'not_operator'),
)

const namesDoNotCount = leftOpen('a token is bound to a certificate, whatever names it has (RFC 8705 section 3)')

type Names = readonly (string | OtherName)[]

const stranger = 'stranger.example'

/** A certificate of the caller's CA with other alternative names than the right one, and with a token that is bound to it. */
const named = (sans: (host: string) => Names, subject?: (host: string) => DistinguishedName): Variant =>
  namesDoNotCount({
    expect: namesNobody,
    at: ofClient('san_mismatch'),
    attack: async (lab) => {
      const identity = await bearing(lab, sans, subject)
      lab.judge(await lab.call(), accepted())
      return lab.call(forgedFor(lab, identity, 'over a certificate with other names'))
    },
  })

/** The same with a stranger's alternative name, and a subject that tries to say more. */
const called = (subject: (host: string) => DistinguishedName): Variant => named(() => [stranger], subject)

/** The same for names that are right, beside others. */
const rightlyNamed = (sans: (host: string) => Names): Variant =>
  namesDoNotCount({
    expect: accepted(),
    attack: async (lab) => lab.call(minted(lab, await bearing(lab, sans), 'over a certificate with more names')),
  })

async function bearing(lab: Lab, sans: (host: string) => Names, subject?: (host: string) => DistinguishedName) {
  const who = await pretence(lab)
  const host = who.sans[0] ?? ''
  return issueLeaf({ ...who, sans: sans(host), subject: subject?.(host) ?? who.subject })
}

const spiffe = (path: string): OtherName => ({ type: 'url', value: `spiffe://example.org/${path}` })

/** Who somebody is, and what only looks like it. */
export const names = cases(['client-certificate'], {
  'TLS-27': {
    title: 'an identity is one DNS name, byte by byte, and a name of no other kind',
    source: 'RFC 5280 section 4.2.1.6; RFC 9525 section 6.3; X.509-SVID section 2; CVE-2022-40716; CVE-2025-66220',
    variants: {
      'the name as mail address': named((host) => [{ type: 'email', value: host }]),
      'the name as mailbox at it': named((host) => [{ type: 'email', value: `admin@${host}` }]),
      'the name as URI': named((host) => [{ type: 'url', value: `https://${host}` }]),
      'two SPIFFE identities': named((host) => [spiffe('a'), spiffe(host)]),
      'the name as directory name': named((host) => [{ type: 'dn', value: `CN=${host}` }]),
      'the name as user principal': named((host) => [{ type: 'upn', value: host }]),
      'the name in a user principal, before a NUL': named((host) => [{ type: 'upn', value: `${host}\0.evil.test` }]),
      'a NUL behind the name': named((host) => [`${host}\0`]),
      ...nearly('the name', nearMissesOf.host, (made) => named((host) => [inBytes(String(made(host)))])),
      'a wildcard for the name': named((host) => [host.replace(/^[^.]+/, '*')]),
      'a wildcard for every name': named(() => ['*']),
      'the name in another entry’s text': named((host) => [`${stranger}, DNS:${host}`]),
      'the name in quotes': named((host) => [`"${host}"`]),
      'the name’s parent': named((host) => [host.replace(/^[^.]+\./, '')]),
      'the name beside a stranger’s': rightlyNamed((host) => [stranger, host]),
      'the name beside SPIFFE identities': rightlyNamed((host) => [spiffe('a'), host, spiffe('b')]),
      'the name in upper case': rightlyNamed((host) => [host.toUpperCase()]),
    },
  },
  'TLS-28': {
    title: 'a subject is no identity, in whatever shape it is',
    source: 'RFC 4514; RFC 9525 section 2; CVE-2021-44533; CVE-2026-33248',
    variants: {
      'the name as common name': called((host) => [{ CN: [host] }]),
      'the name in a part of several values': called((host) => [{ CN: [host], O: ['b'] }]),
      'the parts in another order': called((host) => [{ CN: [host] }, { O: ['Example'] }, { C: ['AT'] }]),
      'two common names, the name first': called((host) => [{ CN: [host] }, { CN: [stranger] }]),
      'two common names, the name last': called((host) => [{ CN: [stranger] }, { CN: [host] }]),
      'a comma that is part of a value': called((host) => [{ CN: [`${stranger},CN=${host}`] }]),
      'a line feed that is part of a value': called((host) => [{ CN: [`${stranger}\nCN=${host}`] }]),
      'a common name that writes an alternative name': called((host) => [{ CN: [`x/subjectAltName=DNS:${host}`] }]),
    },
  },
  'TLS-29': {
    title: 'a certificate of a server speaks for nobody',
    source: 'CVE-2018-16886; RFC 8705 section 6.2',
    variants: {
      "the target's own certificate and nothing else": alone("over the target's own certificate", ownCertificate),
      "the target's own certificate with the caller's token": {
        ...presenting(A1('cnf_x5t_mismatch'), async (good, lab) =>
          good.withCertificate(await ownCertificate(lab), "over the target's own certificate"),
        ),
        needs: ['takes:bound-token', 'client-certificate'],
      },
      "a server's certificate with the caller's common name": alone("with the caller's common name", async (lab) =>
        issueLeaf({ ...(await pretence(lab)), sans: [lab.target.host] }),
      ),
    },
  },
})

/** A certificate that comes without a token, after the accepted credential as its control. */
function alone(label: string, made: (lab: Lab) => Promise<Identity>): Variant {
  return {
    expect: either(A0('token_missing'), refused(403, 'access_denied', 'not_operator')),
    at: { ...ofClient('san_mismatch'), ...ofCertificateAlone, 'takes:nats-creds': nAv('nats_credentials_missing') },
    attack: async (lab) => {
      const certificate = await made(lab)
      lab.judge(await lab.call(), accepted())
      return lab.call(new Credential(label, async () => ({ certificate })))
    },
  }
}

/** The certificate with which the target serves, as it lies there. */
async function ownCertificate(lab: Lab): Promise<Identity> {
  const { certificate } = await lab.site.held(lab.ownCertificate.name)
  return certificate!
}

/** Names in certificates are bytes: those of UTF-8, one character for each. */
function inBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
