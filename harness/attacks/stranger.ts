import type { JWK } from 'jose'
import { listenAsIssuer, type ScriptedIssuer } from '../counterparts/issuer/scripted-issuer.ts'
import { issueLeaf } from '../pki/authority.ts'
import type { Lab } from './lab.ts'

/** An issuer at the caller's that the target does not know, with a certificate that it trusts: it serves this key, and counts who comes. */
export async function listenAsStranger(lab: Lab, key: JWK): Promise<ScriptedIssuer> {
  const { seat, host } = lab.site.node(lab.target.from)
  const certificate = await issueLeaf({ authority: await lab.authority('target'), subject: host, sans: [host] })
  return lab.site.own(await listenAsIssuer({ seat, host, certificate, keys: [key] }))
}
