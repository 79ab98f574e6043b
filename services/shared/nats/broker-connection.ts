import { X509Certificate } from 'node:crypto'
import { createConnection, isIP, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, type TLSSocket } from 'node:tls'
import { encode } from '@nats-io/nkeys'
import {
  type Authenticator,
  type ConnectionOptions,
  type NatsConnection,
  NatsConnectionImpl,
  type ServerInfo,
  setTransportFactory,
  tokenAuthenticator,
} from '@nats-io/transport-node'
import { NodeTransport, nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js'
import { type BrokerTargetContext, brokerTarget } from './broker-target.ts'
import type { Creds } from './creds-text.ts'
import { signerOf } from './signing-key.ts'

/** Where a broker is, and who we are to it by TLS. */
export interface BrokerTarget {
  /** `tls://HOST:PORT`; HOST is the SAN of its certificate. */
  readonly server: string
  /** PEM roots that its certificate must chain to, and no others. */
  readonly ca: readonly string[]
  readonly cert: string
  readonly key: string
  /** Address that the connection comes from. */
  readonly localAddress?: string
  readonly connectTimeoutMs: number
}

/** As whom we log in. */
export interface BrokerLogin {
  readonly creds: Creds
  readonly inbox: string
  /** Sent as `auth_token` beside the credentials. */
  readonly token?: string
  /** How the connection is called in the broker's lists. */
  readonly name: string
}

/** One of our own guards refused a broker, or what it says of us. */
export class BrokerRefused extends Error {
  readonly guard: string
  readonly reason: string

  constructor(guard: string, reason: string) {
    super(`${guard}: ${reason}`)
    this.name = 'BrokerRefused'
    this.guard = guard
    this.reason = reason
  }
}

/** Ours beside those of the library: it passes them on to the transport as they are. */
type Options = ConnectionOptions & {
  readonly target: BrokerTarget
  readonly context: ReturnType<typeof createSecureContext>
}

/** What a broker tells of the user of a connection. */
export interface UserInfo {
  readonly user?: unknown
  readonly account?: unknown
  readonly account_name?: unknown
  readonly permissions?: unknown
  /** Nanoseconds until the credentials end. */
  readonly expires?: unknown
}

/**
 * Connects once, and proves the broker before the login is sent. A connection that ends is not made again by itself: `closed()` of it settles.
 *
 * @throws BrokerRefused, or the library's own errors
 */
export async function connectBroker(target: BrokerTarget, login: BrokerLogin): Promise<NatsConnection> {
  const url = new URL(target.server)
  judge({ server: url })
  setTransportFactory({ factory: () => new ProvenTransport(), dnsResolveFn: nodeResolveHost })
  const { ca, cert, key } = target
  const options: Options = {
    target,
    context: createSecureContext({ ca: [...ca], cert, key, minVersion: 'TLSv1.2' }),
    servers: `${url.hostname}:${url.port || 4222}`,
    name: login.name,
    inboxPrefix: login.inbox,
    authenticator: authenticatorOf(login),
    tls: {},
    timeout: target.connectTimeoutMs,
    reconnect: false,
    maxReconnectAttempts: 0,
    ignoreClusterUpdates: true,
    pingInterval: 10_000,
    maxPingOut: 2,
    noAsyncTraces: true,
  }
  return NatsConnectionImpl.connect(options)
}

/** @throws BrokerRefused for a broker that must not be dialled at all */
export function judge(context: BrokerTargetContext): void {
  const refusal = brokerTarget.check(context)
  if (refusal instanceof Promise) throw new Error('broker.target must be synchronous')
  if (refusal !== undefined) throw new BrokerRefused(brokerTarget.id, refusal.reason)
}

/** What the broker says of the user of a connection. */
export async function userInfo(connection: NatsConnection, timeout: number): Promise<UserInfo | undefined> {
  const answer = (await connection.request('$SYS.REQ.USER.INFO', undefined, { timeout })).json<{ data?: UserInfo }>()
  return answer?.data
}

function authenticatorOf({ creds, token }: BrokerLogin): Authenticator | Authenticator[] {
  const sign = signerOf(new TextEncoder().encode(creds.seed))
  const user: Authenticator = (nonce = '') => {
    const sig = encode(sign(new TextEncoder().encode(nonce)))
    return { jwt: creds.jwt, nkey: creds.claims.sub, sig }
  }
  return token === undefined ? user : [user, tokenAuthenticator(token)]
}

/** The library's own, but for where it calls from, and for what it demands of the broker before the login. */
class ProvenTransport extends NodeTransport {
  override dial(to: { hostname: string; port: number }): Promise<Socket> {
    const { localAddress } = (this.options as Options).target
    return new Promise((resolve, reject) => {
      const socket = createConnection({ host: to.hostname, port: to.port, localAddress, noDelay: true })
      socket.once('error', reject)
      socket.once('close', () => reject(new Error('the broker closed the connection')))
      socket.once('connect', () => {
        socket.removeAllListeners()
        resolve(socket)
      })
    })
  }

  override async peekInfo(): Promise<ServerInfo> {
    const info = await super.peekInfo()
    judge({ server: this.#server, offersTls: info.tls_required === true || info.tls_available === true })
    return info
  }

  override startTLS(): Promise<TLSSocket> {
    const { context } = this.options as Options
    const server = this.#server
    return new Promise((resolve, reject) => {
      const socket = connectTls({
        socket: this.socket,
        secureContext: context,
        // RFC 6066 section 3: an address is no server name.
        servername: isIP(server.hostname) > 0 ? '' : server.hostname,
        // Said outright, for Node's default can be turned off by an environment variable (NODE_TLS_REJECT_UNAUTHORIZED).
        rejectUnauthorized: true,
        // Called once the chain is good.
        checkServerIdentity: (_, { raw }) => attempt(() => judge({ server, certificate: new X509Certificate(raw) })),
      })
      socket.once('error', (failure) => {
        const problem = failure instanceof BrokerRefused ? undefined : socket.authorizationError
        reject((problem && attempt(() => judge({ server, chainProblem: String(problem) }))) || failure)
      })
      socket.once('close', () => reject(new Error('the broker ended the TLS handshake')))
      socket.once('secureConnect', () => {
        socket.removeAllListeners()
        resolve(socket)
      })
    })
  }

  get #server(): URL {
    return new URL((this.options as Options).target.server)
  }
}

function attempt(act: () => void): Error | undefined {
  try {
    act()
    return undefined
  } catch (failure) {
    return failure as Error
  }
}

/** A drain waits for answers of the broker: of one that says nothing, nobody waits for more than this. */
const DRAINED_WITHIN_MS = 5_000

/**
 * Ends a connection once all that is on its way has come and gone. Resolves in any case: the client's own `drain` does not where the connection
 * ends meanwhile, by itself or by somebody else.
 */
export async function drained(connection: NatsConnection, withinMs = DRAINED_WITHIN_MS): Promise<void> {
  const late = setTimeout(() => void connection.close(), withinMs)
  // Somebody else may be draining it.
  connection.drain().catch(() => {})
  await connection.closed()
  clearTimeout(late)
}
