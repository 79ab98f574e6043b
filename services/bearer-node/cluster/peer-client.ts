import { isIP } from 'node:net'
import { checkServerIdentity, createSecureContext, type PeerCertificate, type SecureContext } from 'node:tls'
import { Agent, buildConnector } from 'undici'
import type { Guard } from '../../shared/guard.ts'
import { mayGoInClear } from '../exposure/address-class.ts'
import { bearerPeerTarget, type PeerTargetContext } from '../guards/peer-target.ts'
import type { RecordOfDecision } from '../listener/records.ts'
import { type PeerAnswer, type PeerCall, PeerCallFailed, type PeerCalls } from './peer-calls.ts'

/** PEM texts: the roots of peers, and the certificate of this node. */
export interface PeerTls {
  readonly ca?: string | readonly string[]
  readonly cert?: string
  readonly key?: string
}

export interface PeerClientParts {
  /** Id to URL. Nobody else is ever called. */
  readonly peers: ReadonlyMap<string, string>
  /** Undefined: this node has no token, and sends none. */
  token(): string | undefined
  /** Asked for each new connection. */
  tlsFor(): PeerTls | undefined
  record(decision: RecordOfDecision): void
  /** For one connection. */
  readonly connectMs: number
}

const CONNECTIONS = 32
const LARGEST_ANSWER = 4 * 1024 * 1024

/** What the guard refused. It never gets further than this file. */
class TargetRefused extends Error {
  readonly reason: string

  constructor(reason: string) {
    super(reason)
    this.name = 'TargetRefused'
    this.reason = reason
  }
}

class Unconnected extends Error {}

/** Calls over connections of each peer's own, each judged before the first byte of a request goes out. */
export class PeerClient implements PeerCalls {
  readonly #parts: PeerClientParts
  readonly #agents: ReadonlyMap<string, Agent>
  /** What was recorded last of a peer: the same is not told with each heartbeat. */
  readonly #told = new Map<string, string>()

  constructor(parts: PeerClientParts) {
    this.#parts = parts
    this.#agents = new Map([...parts.peers].map(([id, url]) => [id, agentFor(url, parts)]))
  }

  async call(peer: string, call: PeerCall): Promise<PeerAnswer> {
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), call.timeoutMs)
    try {
      const url = this.#parts.peers.get(peer)
      judge(bearerPeerTarget, { url })
      const signal = call.signal === undefined ? late.signal : AbortSignal.any([late.signal, call.signal])
      const answer = await this.#send(this.#agents.get(peer)!, url!, call, signal)
      this.#told.delete(peer)
      return answer
    } catch (failure) {
      if (failure instanceof TargetRefused) this.#record(peer, failure.reason, call)
      throw new PeerCallFailed(kindOf(failure, late.signal, call.signal), peer)
    } finally {
      clearTimeout(timer)
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()))
  }

  async #send(agent: Agent, origin: string, call: PeerCall, signal: AbortSignal): Promise<PeerAnswer> {
    const token = this.#parts.token()
    const { statusCode, headers, body } = await agent.request({
      ...{ origin, path: call.path, method: call.method, body: call.body ?? null, signal },
      headers: { accept: 'application/json', ...call.headers, ...(token && { authorization: `Bearer ${token}` }) },
    })
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > LARGEST_ANSWER) throw new TooLarge()
      chunks.push(chunk)
    }
    return { status: statusCode, headers: onlyOnce(headers), body: Buffer.concat(chunks) }
  }

  #record(peer: string, reason: string, { method, path, headers }: PeerCall): void {
    if (this.#told.get(peer) === reason) return
    this.#told.set(peer, reason)
    const requestId = headers?.['holdfast-request-id']
    this.#parts.record({
      ...{ verdict: 'refused', guard: bearerPeerTarget.id, reason, action: 'peer:call', target: peer },
      ...{ route: `${method} ${path.split('?')[0]}`, ...(requestId !== undefined && { requestId }) },
    })
  }
}

class TooLarge extends Error {}

function kindOf(failure: unknown, late: AbortSignal, given: AbortSignal | undefined): PeerCallFailed['kind'] {
  if (failure instanceof TargetRefused) return failure.reason === 'peer_unverified' ? 'unverified' : 'refused'
  if (failure instanceof Unconnected) return 'unreachable'
  if (failure instanceof TooLarge) return 'too_large'
  if (given?.aborted) return 'aborted'
  return late.aborted ? 'timeout' : 'ended'
}

function agentFor(url: string, parts: PeerClientParts): Agent {
  return new Agent({
    ...{ connect: connectorFor(url, parts), connections: CONNECTIONS, pipelining: 1, allowH2: false },
    // The time of a call is ours to measure, from its beginning to its end.
    ...{ headersTimeout: 0, bodyTimeout: 0 },
  })
}

/** Nothing is written to a connection before it was handed over here: what is refused has got no byte. */
function connectorFor(url: string, { tlsFor, connectMs: timeout }: PeerClientParts): buildConnector.connector {
  let context: { of: PeerTls | undefined; secureContext: SecureContext } | undefined
  const connect = (options: buildConnector.Options, callback: buildConnector.Callback): void => {
    const of = tlsFor()
    // Read once: it takes longer than a handshake does.
    if (context === undefined || context.of !== of) context = { of, secureContext: contextOf(of) }
    const { secureContext } = context
    // A session that is resumed was proven by another handshake, before a certificate was changed.
    const connector = buildConnector({
      ...{ secureContext, timeout, allowH2: false, maxCachedSessions: 0, checkServerIdentity: namedBySan },
      rejectUnauthorized: true,
    })
    connector(options, (...[failure, socket]) => {
      try {
        if (failure !== null) throw failureOf(failure, url)
        judge(bearerPeerTarget, { url, mayBePlain: mayGoInClear(socket.remoteAddress ?? '') })
        callback(null, socket)
      } catch (refused) {
        socket?.destroy()
        callback(refused as Error, null)
      }
    })
  }
  return (options, callback) => {
    const host = options.hostname.replace(/^\[(.+)\]$/, '$1')
    try {
      // An address that is written down is known before anything is sent to it.
      if (isIP(host) !== 0) judge(bearerPeerTarget, { url, mayBePlain: mayGoInClear(host) })
      connect(options, callback)
    } catch (refused) {
      callback(refused as Error, null)
    }
  }
}

/** Codes of the system tell of the network, and all others of a certificate, or of none. */
function failureOf(failure: Error, url: string): Error {
  const { code = '' } = failure as NodeJS.ErrnoException
  const isNetwork = (/^E[A-Z]+$/.test(code) && code !== 'EPROTO') || code === 'UND_ERR_CONNECT_TIMEOUT'
  if (isNetwork || url.startsWith('http:')) return new Unconnected()
  try {
    judge(bearerPeerTarget, { url, certificateProblem: code || failure.name })
    return new Unconnected()
  } catch (refused) {
    return refused as Error
  }
}

function judge(guard: Guard<PeerTargetContext>, context: PeerTargetContext): void {
  const refusal = guard.check(context)
  if (refusal !== undefined && !(refusal instanceof Promise)) throw new TargetRefused(refusal.reason)
}

function contextOf(tls: PeerTls | undefined): SecureContext {
  const { ca, cert, key } = tls ?? {}
  return createSecureContext({
    ...(ca !== undefined && { ca: typeof ca === 'string' ? ca : [...ca] }),
    ...(cert !== undefined && key !== undefined && { cert, key }),
    minVersion: 'TLSv1.2',
  })
}

/** RFC 9525 section 6.3: by its SAN. Node falls back to the common name where a certificate has none, so it is shown no subject. */
function namedBySan(host: string, certificate: PeerCertificate): Error | undefined {
  return checkServerIdentity(host, { ...certificate, subject: {} as PeerCertificate['subject'] })
}

function onlyOnce(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
  )
}
