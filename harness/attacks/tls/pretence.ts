import type { SigningAuthority } from '../../pki/authority.ts'
import { chainOf, type Identity, thumbprintS256 } from '../../pki/certificate.ts'
import { type Pretence, type Spoiling, spoiled, unspoiled } from '../../pki/spoiled.ts'
import type { CallOptions } from '../../site/call.ts'
import { Credential } from '../../site/credential.ts'
import type { Verdict } from '../../site/verdict.ts'
import { mutateClaims } from '../../tokens/forge.ts'
import type { Variant } from '../attack.ts'
import type { Lab } from '../lab.ts'
import { accepted, E } from '../outcome.ts'

/** The names of the certificate that is accepted, for another one to bear. */
export async function pretence(lab: Lab, authority: SigningAuthority): Promise<Pretence> {
  return { authority, ...namesIn(await lab.good().identity()) }
}

function namesIn({ certPem }: Identity): { subject: string; sans: string[] } {
  const [leaf] = chainOf(certPem)
  const sans = leaf?.subjectAltName?.split(', ').map((san) => san.replace(/^DNS:/, '')) ?? []
  return { subject: /^CN=(.+)$/m.exec(leaf?.subject ?? '')?.[1] ?? sans[0] ?? '', sans }
}

/** The accepted credential over a certificate with its names, by the caller's CA, or its root, that is wrong in one way. */
export function spoiledCall(spoiling: Spoiling, by: 'issuing' | 'root' = 'issuing', options?: CallOptions) {
  return async (lab: Lab): Promise<Verdict> => {
    const authority = await (by === 'root' ? lab.authority('caller', 'root') : lab.authority())
    const identity = await spoiled[spoiling](await pretence(lab, authority))
    return lab.call(lab.good().withCertificate(identity, `over a certificate that is ${spoiling}`), options)
  }
}

/** Someone else with a certificate of the caller's CA: good for itself, of nobody that the target knows. */
export async function stranger(lab: Lab): Promise<Identity> {
  const host = 'stranger.somebiz.local.io'
  return unspoiled({ authority: await lab.authority(), subject: host, sans: [host] })
}

/** The stolen token of the accepted credential, over the stranger's certificate; where the certificate is all, that one alone. */
export async function strangerWithStolenToken(lab: Lab): Promise<Credential> {
  return lab.good().withCertificate(await stranger(lab), "over a stranger's certificate")
}

/** A certificate, and a token that its holder was given by the issuer: where a token is needed. */
export function minted(lab: Lab, identity: Identity, label: string): Credential {
  return new Credential(label, async () => ({
    certificate: identity,
    token: isBound(lab) ? await lab.mint(identity) : undefined,
  }))
}

/** A certificate, and a token that an insider signed for it: so that nothing but the certificate's names is wrong. */
export function forgedFor(lab: Lab, identity: Identity, label: string): Credential {
  return new Credential(label, async () => {
    if (!isBound(lab)) return { certificate: identity }
    const cnf = { 'x5t#S256': thumbprintS256(identity.certPem) }
    const claims = await lab.good().token()
    const token = await mutateClaims(claims, await lab.signingKey(), (own) => ({ ...own, cnf }))
    return { certificate: identity, token }
  })
}

/** Calls with another whole credential, after the accepted one as its control. */
export async function callAfterGood(lab: Lab, credential: Credential, options?: CallOptions): Promise<Verdict> {
  lab.judge(await lab.call(), accepted())
  return lab.call(credential, options)
}

function isBound(lab: Lab): boolean {
  return lab.target.surfaces.has('takes:bound-token')
}

/** What becomes of a client that a handler authenticates by its certificate, where TLS only asks for one (RFC 6749 section 5.2). */
export function ofClient(...reasons: readonly string[]): Variant['at'] {
  return { 'client-authentication': E('invalid_client', ...reasons) }
}
