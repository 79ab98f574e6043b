import { readFileSync, statSync } from 'node:fs'
import { decodeToken } from '../shared/bound-token.ts'
import { StartFailure } from '../shared/start-failure.ts'
import { audiencesOf } from '../shared/token-context.ts'
import type { PeeringConfiguration } from './config.ts'
import type { Peer } from './peers.ts'

/** What a token that we present to a peer must say, so far as we can tell without its issuer's keys. */
export interface TokenExpectation {
  peer: string
  /** Our own name: its `sub`. */
  node: string
  /** The peer's own audience and its peering audience: one of them must be in `aud`. */
  audiences: readonly string[]
  /** `x5t#S256` of our certificate. */
  thumbprint: string
  clockSkewSeconds: number
}

export function expectationFor(peer: Peer, own: PeeringConfiguration, thumbprint: string): TokenExpectation {
  const { trustDomains, clockSkewSeconds } = own.peering
  const isOwn = peer.trustDomain === own.trustDomain.name
  const { audience } = (isOwn ? own.peering : trustDomains[peer.trustDomain]) ?? {}
  const audiences = [`https://${peer.host}`, ...(audience === undefined ? [] : [audience])]
  return { peer: peer.name, node: own.node, audiences, thumbprint, clockSkewSeconds }
}

/** Why a token would be refused at the peer, or nothing. The failure names what was found, never the token. */
export function tokenProblem(token: string, expected: TokenExpectation): StartFailure | undefined {
  const problem = (reason: string, found: string): StartFailure =>
    new StartFailure(reason, `peer "${expected.peer}": ${found}`)
  if (token.trim() === '')
    return problem('peer_token_missing', 'its token is blank; give one that its auth server minted')
  const { header, payload } = decodeToken(token)
  const isCompact = /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token) && header !== undefined && payload !== undefined
  if (!isCompact || !/^(application\/)?at\+jwt$/i.test(String(header.typ))) {
    return problem('peer_token_malformed', 'its token is no access token (compact JWT, typ at+jwt); mint one for us')
  }
  const audiences = audiencesOf(payload)
  const isForPeer = audiences.some((audience) => expected.audiences.includes(audience))
  const found = `its token has subject ${quoted(payload.sub)} and audience ${audiences.map(quoted).join(', ') || 'none'}`
  if (payload.sub !== expected.node) {
    const isSwapped = payload.sub === expected.peer
    const way = isSwapped
      ? `that is the token of the other direction: swap the tokens of "${expected.node}" and "${expected.peer}"`
      : `the subject must be "${expected.node}"; mint one for us`
    return problem('peer_token_subject_mismatch', `${found}; ${way}`)
  }
  if (!isForPeer) {
    return problem('peer_token_audience_mismatch', `${found}; the audience must be ${expected.audiences.join(' or ')}`)
  }
  if (typeof payload.exp !== 'number' || payload.exp + expected.clockSkewSeconds <= Date.now() / 1000) {
    const when = typeof payload.exp === 'number' ? `at ${isoTime(payload.exp)}` : 'without saying when'
    return problem('peer_token_expired', `its token has expired ${when}; mint a new one`)
  }
  const bound = boundThumbprint(token)
  if (bound === expected.thumbprint) return undefined
  return problem(
    'peer_token_bound_elsewhere',
    `its token is bound to certificate ${quoted(bound)}, ours is "${expected.thumbprint}"; mint one for our certificate`,
  )
}

/** Text of a token file. Throws `StartFailure`: a token that others can read is no secret. */
export function readTokenFile(path: string, what: string): string {
  try {
    if ((statSync(path).mode & 0o077) !== 0) {
      throw new StartFailure('config_invalid', `${what}: ${path} is open to others; chmod it to 0600`)
    }
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    if (cause instanceof StartFailure) throw cause
    throw new StartFailure(
      'peer_token_missing',
      `${what}: its token file ${path} cannot be read (${(cause as NodeJS.ErrnoException).code}); put the token there`,
      { cause },
    )
  }
}

export function expiryOf(token: string): number | undefined {
  const exp = decodeToken(token).payload?.exp
  return typeof exp === 'number' ? exp : undefined
}

/** What may be shown of a token. */
export interface TokenFacts {
  /** Seconds since 1970. */
  exp?: number | undefined
  /** The first characters of its `jti`: enough to find it on record. */
  jti?: string
}

export function factsOf(token: string): TokenFacts {
  const jti = decodeToken(token).payload?.jti
  return { exp: expiryOf(token), ...(typeof jti === 'string' ? { jti: jtiPrefix(jti) } : {}) }
}

/** Never all of a `jti`. */
export function jtiPrefix(jti: string): string {
  return jti.slice(0, Math.min(8, Math.floor(jti.length / 2)))
}

/** `x5t#S256` that a token is bound to. */
export function boundThumbprint(token: string): string | undefined {
  const bound = (decodeToken(token).payload?.cnf as Record<string, unknown> | undefined)?.['x5t#S256']
  return typeof bound === 'string' ? bound : undefined
}

function quoted(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 253)) : 'none'
}

function isoTime(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString()
}
