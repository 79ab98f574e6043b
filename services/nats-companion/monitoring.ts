import type { Shown } from './judge.ts'

const WITHIN_MS = 2_000

interface Entry {
  readonly account?: string
  readonly authorized_user?: string
  readonly reason?: string
  readonly tls_peer_certs?: readonly { readonly cert_sha256: string }[]
}

/** Asks a broker about one of its connections, at its monitoring port, which is for this host alone. */
export async function shownAt(monitoring: string, cid: number): Promise<Shown | undefined> {
  const url = new URL(`/connz?auth=1&state=all&cid=${cid}`, monitoring)
  const answer = await fetch(url, { signal: AbortSignal.timeout(WITHIN_MS) })
  if (!answer.ok) throw new Error(`${url.origin} answered ${answer.status}`)
  const { connections = [] } = (await answer.json()) as { connections?: Entry[] }
  const [entry] = connections
  if (entry === undefined) return undefined
  const [leaf] = entry.tls_peer_certs ?? []
  return {
    account: entry.account,
    user: entry.authorized_user,
    // RFC 8705 section 3.1: the same digest, in another writing.
    thumbprint: leaf && Buffer.from(leaf.cert_sha256, 'hex').toString('base64url'),
    reason: entry.reason,
  }
}
