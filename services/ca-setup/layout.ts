import { join } from 'node:path'

/** Where everything lies below the folder of the CA. */
export function layoutOf(dir: string) {
  const authority = join(dir, 'authority')
  const provisioners = join(dir, 'provisioners')
  return { authority, provisioners, ...filesIn(authority) }
}

export function filesIn(authority: string) {
  const at = (name: string) => join(authority, name)
  return {
    root: { cert: at('root.crt'), key: at('root.key') },
    issuing: { cert: at('ca.crt'), key: at('ca.key') },
    /** Hexadecimal SHA-256 of the DER of the root: what a `sha` claim says, and whoever pins it. */
    fingerprint: at('root.sha256'),
    rootCrl: at('root.crl'),
  }
}

export type AuthorityFiles = ReturnType<typeof filesIn>
