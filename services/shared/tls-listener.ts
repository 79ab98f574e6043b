import { constants } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Decision, DecisionLog } from './decision-log.ts'
import { firstRefusal, type Guard } from './guard.ts'
import { limitHandshakes } from './handshake-places.ts'
import { HandshakeRecords } from './handshake-records.ts'
import { closeWithin, listenAt } from './open-and-close.ts'
import { anchorStillTrusted, type PeerCertificate, peerCertificateOf } from './peer-certificate.ts'
import type { TlsMaterial } from './tls-material.ts'
import { httpForm, mayBeUnbounded, tlsHandshake, type Unbounded, type Unreadable } from './unreadable.ts'

export type { PeerCertificate } from './peer-certificate.ts'
export { readTlsMaterial, type TlsMaterial } from './tls-material.ts'

/** One TLS connection, as proven by its handshake. */
export interface TlsConnection {
  /** `<remote address>:<remote port>`. */
  readonly conn: string
  readonly listener: string
  readonly certificate: PeerCertificate | undefined
  readonly socket: TLSSocket
}

export interface TlsListenerOptions {
  name: string
  host: string
  port: number
  clientCertificate: 'none' | 'requested' | 'required'
  material: TlsMaterial
  /**
   * Judges each connection before any byte of HTTP is read. A refusal is recorded with layer `tls` and ends the connection.
   * Of several the first that objects. A listener with `required` must have one.
   */
  gate?: Guard<TlsConnection> | readonly Guard<TlsConnection>[]
  /** `action` of the listener's own decision records: those of the gate, and of what cannot be read. */
  action: string
  target: string
  decisions: DecisionLog
  onRequest(request: IncomingMessage, response: ServerResponse, connection: TlsConnection): void
  onUpgrade?(request: IncomingMessage, socket: Duplex, head: Buffer, connection: TlsConnection): void
  /** Handshakes that may be open at once; more are closed unread. Default 256. */
  maxHandshakes?: number
  /** Of these, how many may come from one remote address (of IPv6: from one /64), which so cannot keep out all others. Default a quarter of them. */
  maxHandshakesPerAddress?: number
  /** Refused handshakes that are put on record in each minute; of more it is written how many they were. Default 600. */
  handshakeRecordsPerMinute?: number
  /** Default 16 KiB. */
  maxHeaderBytes?: number
  /** Within which a request has to be whole, in ms; its head has 5 s. Default: 10 s. */
  requestTimeoutMs?: number
  /** For how long a connection stays that asks for nothing. Default: what Node takes. */
  keepAliveMs?: number
  /** TLS 1.3 and HTTP/1.1 alone. Default: 1.2, too, and no word of what is spoken over it. */
  isLatestOnly?: boolean
  /**
   * Whether the gate reads from the socket what the handshake proved, rather than from `certificate`, which there is none of then. What
   * changes while a connection lives is for the handler to judge.
   */
  gateReadsSocket?: boolean
  /** Judges handshakes that failed. Default: `tls.handshake`. */
  handshake?: Guard<Unreadable>
  /** Puts on record what came over a proven connection and is no request. Default: in `decisions`, as it is. */
  recordUnreadable?(refusal: Decision, connection: TlsConnection): void | Promise<void>
}

export interface TlsListener {
  readonly server: Server
  /** Rejects with Node's own error (`EADDRINUSE`, …) when the address cannot be taken. */
  listen(): Promise<void>
  /** New handshakes use the new certificate and anchors; live connections are the owner's to judge again. */
  reload(material: TlsMaterial): void
  /** Stops accepting, lets requests in flight finish for `graceMs`, then closes the rest. */
  close(graceMs: number): Promise<void>
}

const HANDSHAKE_TIMEOUT_MS = 5_000

/** What decides on a connection: the options of its listener, and where that records handshakes. */
type Deciding = TlsListenerOptions & { readonly handshakeRecords: HandshakeRecords }

export function createTlsListener(given: TlsListenerOptions): TlsListener {
  if (given.clientCertificate === 'required' && given.gate === undefined) {
    throw new Error(`listener ${given.name} demands a certificate, so it needs a gate`)
  }
  const handshakeRecords = new HandshakeRecords(given.decisions, given.handshakeRecordsPerMinute ?? 600)
  const options: Deciding = { ...given, handshakeRecords }
  let material = options.material
  const connections = new WeakMap<Duplex, { connection: TlsConnection; material: TlsMaterial }>()
  const server = createServer({
    ...secureContextOf(material, options),
    ...(options.isLatestOnly && { ALPNProtocols: ['http/1.1'] }),
    ...(options.keepAliveMs !== undefined && { keepAliveTimeout: options.keepAliveMs }),
    requestCert: options.clientCertificate !== 'none',
    // The gate judges instead of OpenSSL's yes or no, so that every refusal has its reason on record.
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    headersTimeout: HANDSHAKE_TIMEOUT_MS,
    requestTimeout: options.requestTimeoutMs ?? 2 * HANDSHAKE_TIMEOUT_MS,
    connectionsCheckingInterval: 1_000,
    // The guards refuse a request without `Host`, so that its refusal is on record.
    requireHostHeader: false,
    maxHeaderSize: options.maxHeaderBytes ?? 16 * 1024,
    noDelay: true,
  })
  const [serveHttp] = server.listeners('secureConnection') as [(socket: TLSSocket) => void]
  server.removeAllListeners('secureConnection')
  const mostHandshakes = options.maxHandshakes ?? 256
  const handshakes = limitHandshakes(server, {
    most: mostHandshakes,
    mostPerAddress: options.maxHandshakesPerAddress ?? Math.ceil(mostHandshakes / 4),
  })
  server.on('secureConnection', (socket) => {
    const provenAgainst = material
    // Without this, a peer that resets while its certificate is judged would end the process.
    socket.on('error', () => socket.destroy())
    let connection: TlsConnection
    try {
      connection = connectionOf(socket, options, provenAgainst)
    } catch (failure) {
      // Callers choose what stands in certificates: one that cannot be read is refused, and ends nobody else's connection.
      refuse({ failure: failure as Error }, socket)
      return
    }
    judge(connection, options).then(
      (good) => {
        if (!good) return socket.destroy()
        connections.set(socket, { connection, material: provenAgainst })
        serveHttp.call(server, socket)
      },
      // What cannot be judged, or not be put on record, is refused.
      () => socket.destroy(),
    )
  })
  /** A connection outlives what its handshake proved, so what changed since is judged again, with each request. */
  const withConnection = (socket: Duplex, serve: (connection: TlsConnection) => void): void => {
    const proven = connections.get(socket)
    const connection = proven && asOfNow(proven.connection, proven.material, material)
    if (connection === undefined) socket.destroy()
    else if (connection === proven?.connection) serve(connection)
    else {
      judge(connection, options).then(
        (good) => (good ? serve(connection) : socket.destroy()),
        () => socket.destroy(),
      )
    }
  }
  server.on('request', (request, response) => {
    withConnection(request.socket, (connection) =>
      whenBounded({ request, isUpgrade: false }, connection, options, () =>
        options.onRequest(request, response, connection),
      ),
    )
  })
  if (options.onUpgrade !== undefined) {
    const { onUpgrade } = options
    server.on('upgrade', (request, socket, head) => {
      withConnection(socket, (connection) =>
        whenBounded({ request, isUpgrade: true }, connection, options, () =>
          onUpgrade(request, socket, head, connection),
        ),
      )
    })
  }
  /** What reaches no handler. The connection ends even where no guard objects. */
  const refuse = (context: Unreadable, socket: TLSSocket): void => {
    refuseUnreadable(context, socket, connections.get(socket)?.connection, options).then(
      (isRefused) => isRefused || socket.destroy(),
      () => socket.destroy(),
    )
  }
  server.on('clientError', (failure: NodeJS.ErrnoException, duplex) => refuse({ failure }, duplex as TLSSocket))
  // Nobody here is a proxy. Node would end the connection without a word.
  server.on('connect', (_, duplex) => refuse({ failure: new Error('CONNECT') }, duplex as TLSSocket))
  // An expectation that nobody knows may be ignored (RFC 9110 section 10.1.1). Node would answer it before any guard has looked.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))

  return {
    server,
    listen: () => listenAt(server, options.host, options.port),
    reload(next) {
      material = next
      server.setSecureContext(secureContextOf(next, options))
    },
    close(graceMs) {
      const closed = closeWithin(server, graceMs).then(() => handshakeRecords.close())
      // Node waits for these and can close none of them.
      handshakes.endAll()
      return closed
    },
  }
}

function secureContextOf(material: TlsMaterial, { isLatestOnly = false }: TlsListenerOptions) {
  return {
    cert: material.certificate,
    key: material.key,
    ca: [...material.trusted],
    // OpenSSL demands a list for each certificate of a chain once it has one at all.
    ...(material.crls !== undefined && { crl: [...material.crls] }),
    minVersion: isLatestOnly ? ('TLSv1.3' as const) : ('TLSv1.2' as const),
    // A resumed session would skip the handshake that proves the certificate against today's anchors.
    // Part of the context, because `setSecureContext` drops every option that it is not given again.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  }
}

function connectionOf(socket: TLSSocket, options: TlsListenerOptions, material: TlsMaterial): TlsConnection {
  const isRead = options.clientCertificate !== 'none' && !options.gateReadsSocket
  const certificate = isRead ? peerCertificateOf(socket, material) : undefined
  return { conn: `${socket.remoteAddress}:${socket.remotePort}`, listener: options.name, certificate, socket }
}

/** The same connection while all that its handshake proved still holds: a certificate ends, an anchor is taken away. */
function asOfNow(connection: TlsConnection, provenAgainst: TlsMaterial, material: TlsMaterial): TlsConnection {
  const { certificate } = connection
  if (certificate?.domain === undefined) return connection
  const isOver = certificate.notAfter.getTime() <= Date.now()
  if (!isOver && (provenAgainst === material || anchorStillTrusted(certificate, material))) return connection
  const problem = isOver ? ('cert_expired' as const) : ('cert_untrusted' as const)
  return { ...connection, certificate: { ...certificate, domain: undefined, anchor: undefined, problem } }
}

async function judge(connection: TlsConnection, options: Deciding): Promise<boolean> {
  if (options.gate === undefined) return true
  const started = performance.now()
  const found = await firstRefusal([options.gate].flat(), connection)
  if (found === undefined) return true
  const { reason, skewSeconds } = found.refusal
  record(options, connection, {
    ...{ layer: 'tls', status: null, guard: found.guard, reason },
    ...(skewSeconds !== undefined && { skewSeconds }),
    ms: performance.now() - started,
  })
  return false
}

/** Serves a request whose end is beyond doubt, and refuses any other. */
function whenBounded(context: Unbounded, connection: TlsConnection, options: Deciding, serve: () => void): void {
  // Next to no request has such a body, so no other one waits for the guard.
  if (!mayBeUnbounded(context)) {
    serve()
    return
  }
  const { socket } = connection
  refuseUnreadable(context, socket, connection, options).then(
    (isRefused) => isRefused || serve(),
    () => socket.destroy(),
  )
}

/** Connections with a refusal on record: Node may object to the same request twice. */
const refusedOnce = new WeakSet<TLSSocket>()

/**
 * A handshake that failed, or a request that the HTTP parser could not read: it reached no handler, so it is refused here. Answers whether
 * it was.
 */
async function refuseUnreadable(
  context: Unreadable | Unbounded,
  socket: TLSSocket,
  connection: TlsConnection | undefined,
  options: Deciding,
): Promise<boolean> {
  if (refusedOnce.has(socket)) return true
  const conn = `${socket.remoteAddress}:${socket.remotePort}`
  // A caller that has gone is refused nothing.
  if (socket.remotePort === undefined || (connection !== undefined && !socket.writable)) return false
  const isHandshake = connection === undefined && context.failure !== undefined
  const handshake = options.handshake ?? tlsHandshake
  const found = await (isHandshake ? firstRefusal([handshake], context) : firstRefusal([httpForm], context))
  if (found === undefined || refusedOnce.has(socket)) return found !== undefined
  refusedOnce.add(socket)
  const { guard, refusal } = found
  const { status, reason } = refusal
  const refused = { layer: connection === undefined ? 'tls' : 'http', status, guard, reason, ms: 0 } as const
  if (connection !== undefined && options.recordUnreadable !== undefined) {
    await options.recordUnreadable(decisionOn(options, connection, refused), connection)
  } else record(options, connection ?? { conn, listener: options.name, certificate: undefined }, refused)
  // Before the handshake is done nothing can be answered: an answer would wait for it, and hold the socket for ever.
  if (refusal.status === null) socket.destroy()
  else answerUnread(refusal.status, socket)
  return true
}

function answerUnread(status: number, socket: TLSSocket): void {
  const text = status === 431 ? '431 Request Header Fields Too Large' : '400 Bad Request'
  socket.write(`HTTP/1.1 ${text}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  // Unlike `end`, this does not wait for the caller to close its half.
  socket.destroySoon()
}

type Met = Pick<TlsConnection, 'conn' | 'listener' | 'certificate'>
type Refused = Pick<Decision, 'layer' | 'status' | 'guard' | 'reason' | 'skewSeconds' | 'ms'>

/** What the listener itself refuses. */
function record(options: Deciding, met: Met, refused: Refused): void {
  const log = refused.layer === 'tls' ? options.handshakeRecords : options.decisions
  log.record(decisionOn(options, met, refused))
}

function decisionOn({ action, target }: Deciding, { conn, listener, certificate }: Met, refused: Refused): Decision {
  return {
    ...{ conn, listener, requestId: crypto.randomUUID(), action, verdict: 'refused', error: null, target },
    // The handshake proves that the caller holds the key, whatever else is wrong with the certificate.
    principal: certificate === undefined ? {} : { 'x5t#S256': certificate.x5t },
    ...refused,
  }
}
