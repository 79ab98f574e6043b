import { StartFailure } from '../shared/start-failure.ts'
import type { FilePeer, PeeringConfiguration } from './config.ts'
import { dialTarget } from './guards/dial-target.ts'
import { expectationFor, readTokenFile, tokenProblem } from './peer-token.ts'
import { type Peer, peerOf } from './peers.ts'

/**
 * The first thing in a peer's record that must not be: by the file a START, by the API a 400.
 * @param thumbprints `x5t#S256` of our certificates, the newest first
 */
export function peerProblem(
  info: FilePeer,
  own: PeeringConfiguration,
  thumbprints: readonly string[],
): StartFailure | undefined {
  const peer = peerOf(info, own.trustDomain.name)
  return recordProblem(info, own) ?? (peer.token.kind === 'source' ? undefined : tokenFailure(peer, own, thumbprints))
}

/** What must not be in a peer's record, whatever has become of the token in it. */
export function recordProblem(info: FilePeer, own: PeeringConfiguration): StartFailure | undefined {
  const peer = peerOf(info, own.trustDomain.name)
  const place = `peer "${info.name}"`
  const invalid = (text: string): StartFailure => new StartFailure('config_invalid', `${place}: ${text}`)
  const plaintext = dialTarget.check({ endpoint: new URL(info.endpoint) })
  if (plaintext !== undefined && !(plaintext instanceof Promise)) {
    return new StartFailure(
      plaintext.reason,
      `${place}: endpoint ${info.endpoint} is not wss:, and a token is never sent in plaintext; use wss://`,
    )
  }
  if (info.name === own.node) return invalid('that is our own name; a node is no peer of itself')
  if (peer.trustDomain !== own.trustDomain.name && own.peering.trustDomains[peer.trustDomain] === undefined) {
    return invalid(`trust domain "${peer.trustDomain}" is not declared; add it to peering.trustDomains`)
  }
  const given = [info.peerToken, info.peerTokenFile, info.tokenSource].filter((origin) => origin !== undefined)
  if (given.length > 1) return invalid('give one of peerToken, peerTokenFile and tokenSource')
  const missing = peer.token.kind === 'node' ? nodeTokenProblem(peer, own) : undefined
  return missing === undefined ? undefined : new StartFailure('peer_token_missing', `${place}: ${missing}`)
}

/** A node token is never sent to another organisation. */
function nodeTokenProblem(peer: Peer, own: PeeringConfiguration): string | undefined {
  if (peer.trustDomain !== own.trustDomain.name) {
    return `it belongs to trust domain "${peer.trustDomain}", so it needs a peerToken or tokenSource of its own`
  }
  if (own.peering.audience === undefined) {
    return 'peering.audience is not set, so it needs a peerToken or tokenSource'
  }
  return own.peering.nodeTokenFile === undefined
    ? 'it gets our node token, but peering.nodeTokenFile is not set'
    : undefined
}

function tokenFailure(peer: Peer, own: PeeringConfiguration, thumbprints: readonly string[]): StartFailure | undefined {
  try {
    const text = tokenText(peer, own)
    const problems = thumbprints.map((thumbprint) => tokenProblem(text, expectationFor(peer, own, thumbprint)))
    return problems.includes(undefined) ? undefined : problems[0]
  } catch (failure) {
    if (failure instanceof StartFailure) return failure
    throw failure
  }
}

function tokenText(peer: Peer, own: PeeringConfiguration): string {
  if (peer.token.kind === 'text') return peer.token.token
  const path = peer.token.kind === 'file' ? peer.token.path : own.peering.nodeTokenFile
  return readTokenFile(path ?? '', `peer "${peer.name}"`)
}

/** What a file says about peers and routes, beyond the shape of each field. */
export function configurationProblem(
  own: PeeringConfiguration,
  thumbprints: readonly string[],
): StartFailure | undefined {
  const invalid = (text: string): StartFailure => new StartFailure('config_invalid', text)
  const { trustDomains, peers } = own.peering
  if (trustDomains[own.trustDomain.name] !== undefined) {
    return invalid(
      `peering.trustDomains.${own.trustDomain.name}: that is our own trust domain; leave it to trustDomain`,
    )
  }
  const names = peers.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) return invalid(`peer "${twice}" is declared twice; keep one of them`)
  for (const peer of peers) {
    const problem = peerProblem(peer, own, thumbprints)
    if (problem !== undefined) return problem
  }
  return undefined
}
