import { type BoundTokenClaims, decodeToken, type TokenContext } from '../../shared/bound-token.ts'
import { guard, type Refusal } from '../../shared/guard.ts'
import { anchorStillTrusted, type PeerCertificate } from '../../shared/peer-certificate.ts'
import type { TlsMaterial } from '../../shared/tls-material.ts'
import { tokenActive } from '../../shared/token-active.ts'
import { ending } from './message.ts'

/** A live inbound session, judged again. */
export interface LiveContext {
  readonly token: TokenContext
  readonly claims: BoundTokenClaims
  readonly certificate: PeerCertificate
  readonly material: TlsMaterial
  /** Ms since the auth server last said that all is well. */
  readonly sinceGoodMs: number
  /** Whether to ask the auth server this time, or to look at the clock and the anchors only. */
  readonly isDeep: boolean
  /** Set when the auth server gave no answer this time, and the last good one is recent enough. */
  isUnsure?: boolean
}

/** A session goes on for so long without an answer of the auth server; with one recheck more it stays below 30 s. */
const LONGEST_UNSURE_MS = 22_000

export const liveRecheck = guard<LiveContext>(
  'live.recheck',
  ['token_ended', 'certificate_ended', 'auth_unavailable'],
  (live) => {
    const { now, clockSkewSeconds } = live.token.policy
    if (live.certificate.notAfter.getTime() <= now()) return ending('certificate_ended', 'certificate_ended')
    if (!anchorStillTrusted(live.certificate, live.material)) return ending('certificate_ended', 'certificate_ended')
    if (now() >= (live.claims.exp + clockSkewSeconds) * 1000) return ending('token_ended', 'token_ended')
    return live.isDeep ? askedAgain(live) : undefined
  },
)

async function askedAgain(live: LiveContext): Promise<Refusal | undefined> {
  const { mode, keys } = live.token.policy
  const unsure = (): Refusal | undefined => {
    live.isUnsure = true
    return live.sinceGoodMs > LONGEST_UNSURE_MS ? ending('auth_unavailable', 'auth_unavailable') : undefined
  }
  if (mode !== 'introspection') {
    const published = await keys.publishes(String(decodeToken(live.token.token).header?.kid))
    if (published === undefined) return unsure()
    if (!published) return ending('token_ended', 'token_ended')
  }
  if (mode !== 'jwks') {
    const refusal = await tokenActive.check({ ...live.token, isLive: true })
    if (refusal?.reason === 'auth_unavailable') return unsure()
    if (refusal !== undefined) return ending('token_ended', 'token_ended')
  }
  return undefined
}
