import type { JWK } from 'jose'
import { listenAsIssuer } from '../counterparts/issuer/scripted-issuer.ts'
import { issueLeaf } from '../pki/authority.ts'
import type { Verdict } from '../site/verdict.ts'
import { type Forgery, forged } from './forgery.ts'
import type { Lab } from './lab.ts'

/** Presents a token that names an issuer at the caller's, which serves the very key that signed it, under a certificate that the target trusts: nobody may come. */
export async function luring(lab: Lab, key: JWK, forgery: (url: string) => Forgery): Promise<Verdict> {
  const { seat, host } = lab.site.node(lab.target.from)
  const certificate = await issueLeaf({ authority: await lab.authority('target'), subject: host, sans: [host] })
  const issuer = lab.site.own(await listenAsIssuer({ seat, host, certificate, keys: [key] }))
  const verdict = await lab.call(forged(lab, 'luring', { key, ...forgery(issuer.url) }))
  lab.demand(issuer.connections === 0, `it connected to ${issuer.url}, which only the token names`)
  lab.demand(issuer.brokenOff.length === 0, `it began a handshake with ${issuer.url}, which only the token names`)
  return verdict
}
