import http from 'node:http'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import { WebSocketServer } from 'ws'
import { type Identity, thumbprintS256 } from '../../pki/certificate.ts'
import type { Listening, Seat } from '../../protocols/seat.ts'
import type { Frame } from '../../protocols/session.ts'
import { parsed } from '../../protocols/websocket/web-socket.ts'

export interface ScriptedPeerOptions {
  /** Where it listens. */
  seat: Seat
  /** 0: any free port. */
  port?: number
  /** What the peer presents as server; absent: it speaks plain TCP, as behind `ws://`. */
  certificate?: Identity
  /** Upgrade whoever asks and send this frame first; absent: never answer. */
  open?: unknown
  /** What it says next, in its order. */
  says?: readonly unknown[]
  /** From then on it says every second that it is there, and goes on reading, or reads nothing more. */
  alive?: 'reading' | 'deaf'
}

/** One connection to the scripted peer, with every byte that came after the handshake. */
export interface RecordedConnection {
  /** `x5t#S256` of what the dialer presented, if it presented anything. */
  readonly presented: string | undefined
  /** Decrypted bytes, as text in latin1. */
  received(): string
}

/** A peer under the scenario's control: it demands nothing of its callers and writes down everything. */
export interface ScriptedPeer extends Pick<Listening, 'address' | 'port'>, AsyncDisposable {
  /** Connections whose handshake was finished. */
  readonly connections: readonly RecordedConnection[]
  /** JSON frames that the dialer sent, oldest first, by session; the sessions in their order. */
  readonly sessions: readonly (readonly Frame[])[]
  /** Handshakes that the dialer broke off, with what was seen of the reason. */
  readonly brokenOff: readonly string[]
}

const aliveEveryMs = 1_000

/** Listens where a node would dial. Every dialer is let in, so that what it then sends can be judged. */
export async function listenAsPeer(options: ScriptedPeerOptions): Promise<ScriptedPeer> {
  const connections: RecordedConnection[] = []
  const brokenOff: string[] = []
  const sessions: Frame[][] = []
  const application = applicationOf(options, sessions)

  const serve = (socket: Duplex) => {
    // An HTTP server reads past the stream until somebody listens to it, so the recorder comes after it.
    application?.emit('connection', socket)
    connections.push(record(socket))
  }
  const server = options.certificate && tlsServer(options.certificate, serve, brokenOff)
  const onConnection = server === undefined ? serve : (stream: Duplex) => server.emit('connection', stream)
  const listening = await options.seat.listen(onConnection, options.port)

  return { ...listening, connections, sessions, brokenOff }
}

function tlsServer(certificate: Identity, serve: (socket: Duplex) => void, brokenOff: string[]): tls.Server {
  const { certPem: cert, keyPem: key } = certificate
  // This peer is hostile: it judges nobody and only wants to hear what is said to it.
  const ciphers = `${tls.DEFAULT_CIPHERS}:@SECLEVEL=0`
  const server = tls.createServer({ cert, key, ciphers, requestCert: true, rejectUnauthorized: false }, serve)
  server.on('tlsClientError', (error) => brokenOff.push((error as NodeJS.ErrnoException).code ?? error.message))
  return server
}

function record(socket: Duplex): RecordedConnection {
  const chunks: Buffer[] = []
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  const leaf = socket instanceof tls.TLSSocket ? socket.getPeerX509Certificate() : undefined
  return {
    presented: leaf && thumbprintS256(new Uint8Array(leaf.raw)),
    received: () => Buffer.concat(chunks).toString('latin1'),
  }
}

function applicationOf({ open, says = [], alive }: ScriptedPeerOptions, sessions: Frame[][]): http.Server | undefined {
  if (open === undefined) return undefined
  const server = http.createServer((_request, response) => response.writeHead(404).end())
  const webSockets = new WebSocketServer({ server })
  webSockets.on('connection', (webSocket) => {
    const frames: Frame[] = []
    sessions.push(frames)
    webSocket.on('error', () => {})
    webSocket.on('message', (data) => frames.push(parsed(data.toString())))
    for (const frame of [open, ...says]) webSocket.send(JSON.stringify(frame))
    if (alive === undefined) return
    if (alive === 'deaf') webSocket.pause()
    let seq = 0
    const talk = setInterval(() => {
      seq += 1
      webSocket.send(JSON.stringify({ type: 'keepalive', seq, refused: 0 }), () => {})
    }, aliveEveryMs)
    webSocket.once('close', () => clearInterval(talk))
  })
  return server
}
