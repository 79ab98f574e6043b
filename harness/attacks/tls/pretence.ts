import { rogueAuthority } from '../../pki/authority.ts'
import { chainOf, type Identity } from '../../pki/certificate.ts'
import { type Pretence, unspoiled } from '../../pki/spoiled.ts'
import type { Handshake } from '../../protocols/tls/handshake.ts'
import type { CallOptions } from '../../site/call.ts'
import { Credential } from '../../site/credential.ts'
import { mutateClaims } from '../../tokens/forge.ts'
import { presenting, type Variant } from '../attack.ts'
import { bindingTo } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { A0, A1, E, either, refused, T0 } from '../outcome.ts'

/** The names of the certificate that is accepted, for another one of the caller's CA, or its root, to bear; or of somebody whom nobody trusts. */
export async function pretence(lab: Lab, by?: 'root' | 'nobody'): Promise<Pretence> {
  const [leaf] = chainOf((await lab.good().identity()).certPem)
  const sans = leaf?.subjectAltName?.split(', ').map((san) => san.replace(/^DNS:/, '')) ?? []
  const subject = /^CN=(.+)$/m.exec(leaf?.subject ?? '')?.[1] ?? sans[0] ?? ''
  return { authority: await (by === 'nobody' ? rogueAuthority() : lab.authority('caller', by)), subject, sans }
}

/** Someone else with a certificate of the caller's CA: good for itself, of nobody that the target knows. */
export async function stranger(lab: Lab): Promise<Identity> {
  const host = 'stranger.example'
  return unspoiled({ authority: await lab.authority(), subject: host, sans: [host] })
}

/** A certificate, and a token that its holder was given by the issuer: where a token is needed. What is bound to none goes with it as it is. */
export function minted(lab: Lab, identity: Identity, label: string): Credential {
  return withOwnToken(lab, identity, label, () => lab.mint(identity))
}

/** A certificate, and a token that an insider signed for it: so that nothing but the certificate's names is wrong. */
export function forgedFor(lab: Lab, identity: Identity, label: string): Credential {
  return withOwnToken(lab, identity, label, () => boundByInsider(lab, identity))
}

async function boundByInsider(lab: Lab, identity: Identity): Promise<string> {
  const bound = (claims: object) => ({ ...claims, ...bindingTo(identity) })
  return mutateClaims(await lab.good().token(), await lab.signingKey(), bound)
}

function withOwnToken(lab: Lab, certificate: Identity, label: string, token: () => Promise<string>): Credential {
  const isBound = takesBoundToken(lab)
  const others = async () => (isBound ? { token: await token() } : lab.good().presented())
  return new Credential(label, async () => ({ ...(await others()), certificate }))
}

function takesBoundToken(lab: Lab): boolean {
  return lab.target.surfaces.has('takes:bound-token')
}

/**
 * The accepted credential over another certificate, with a token that an insider bound to that one: whoever compares the two finds nothing
 * wrong, so it is the certificate alone that is refused.
 */
export function whollyOver(good: Credential, lab: Lab, certificate: Identity, text: string): Credential {
  if (!takesBoundToken(lab)) return good.withCertificate(certificate, text)
  const make = async () => ({
    ...(await good.presented()),
    ...{ certificate, token: await boundByInsider(lab, certificate) },
  })
  return new Credential(`${good.label} ${text}, and bound to that`, make, good)
}

/** Whoever calls with the victim's token, or as the operator, is none of them. */
export const notTheVictim = either(A1('cnf_x5t_mismatch'), refused(403, 'access_denied', 'not_operator'))

/** What becomes of somebody of no such name where a certificate is all that is looked at, so that no token can be wrong. */
export const ofCertificateAlone: Variant['at'] = {
  'operators-alone': refused(403, 'forbidden', 'not_operator'),
  'certificate-alone': A0('token_missing'),
}

/** What becomes of a client that a handler authenticates by its certificate, where TLS only asks for one (RFC 6749 section 5.2). */
export function ofClient(...reasons: readonly string[]): Variant['at'] {
  return { 'client-authentication': E('invalid_client', ...reasons) }
}

/** No certificate, over a connection that begins in this way. */
export function bare(handshake: Handshake): Variant {
  const variant = presenting(T0('cert_missing'), (good) => good.withoutCertificate(), { handshake })
  return { ...variant, at: ofClient('cert_missing'), needs: ['client-certificate'] }
}

/** The bytes of the request, changed. */
export function rewritten(change: (text: string) => string): CallOptions {
  return { raw: { bytes: (text) => [change(text)] } }
}

/** Further lines at the end of its head. */
export function withLines(...lines: readonly string[]): CallOptions {
  return rewritten((text) => text.replace('\r\n\r\n', `\r\n${lines.join('\r\n')}\r\n\r\n`))
}
