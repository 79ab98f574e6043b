import type { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import type { TLSSocket } from 'node:tls'
import { type Identity, thumbprintS256 } from '../pki/certificate.ts'
import type { Listening, Seat } from '../protocols/seat.ts'
import { type IssuerAnswer, sendAnswer } from './issuer/issuer-answer.ts'

export interface ScriptedServerOptions {
  /** Where it listens. */
  seat: Seat
  /** The name in its URL; the certificate is for it, if it is to be believed. */
  host: string
  /** 0: any free port. */
  port?: number
  /** What it presents as server. */
  certificate: Identity
}

/** One request to a scripted server, written down when it was read whole. */
export interface ScriptedRequest<Endpoint> {
  readonly endpoint: Endpoint
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** `x5t#S256` of the client certificate, if one was presented. */
  readonly presented: string | undefined
}

/** An answer, or what makes one out of a request and of that which an honest server would say. */
export type Script<Endpoint> = IssuerAnswer | ((request: ScriptedRequest<Endpoint>, honest: unknown) => IssuerAnswer)

/** What an honest server says: JSON, or an answer that is more than that. Undefined: it does not know the path. */
export type Honest = { readonly json: unknown } | { readonly answer: IssuerAnswer } | undefined

/** An HTTPS server under the scenario's control: it demands nothing of its callers, writes down everything, and begins honest. */
export abstract class ScriptedServer<Endpoint extends string> implements AsyncDisposable {
  readonly requests: ScriptedRequest<Endpoint>[] = []
  /** Connections whose handshake was finished. */
  connections = 0
  /** Handshakes that the caller broke off, with what was seen of the reason. */
  readonly brokenOff: string[] = []
  protected readonly host: string
  protected readonly listenings: Listening[] = []
  /** Of what it says where no script says otherwise. */
  protected readonly headers: Readonly<Record<string, string>> = {}
  readonly #options: ScriptedServerOptions
  readonly #scripts = new Map<Endpoint, Script<Endpoint>>()
  readonly #server: https.Server

  constructor(options: ScriptedServerOptions) {
    this.#options = options
    this.host = options.host
    const { certPem: cert, keyPem: key } = options.certificate
    // It judges nobody and only wants to hear who asks, and for what.
    this.#server = https.createServer({ cert, key, requestCert: true, rejectUnauthorized: false })
    this.#server.on('request', (request, response) => {
      this.#serve(request, response).catch(() => request.socket.destroy())
    })
    this.#server.on('secureConnection', () => {
      this.connections += 1
    })
    this.#server.on('tlsClientError', (error: NodeJS.ErrnoException) =>
      this.brokenOff.push(error.code ?? error.message),
    )
  }

  protected abstract endpointOf(path: string): Endpoint
  protected abstract honest(request: ScriptedRequest<Endpoint>): Promise<Honest> | Honest

  async listen(...further: readonly (number | undefined)[]): Promise<void> {
    const { seat, port = 0 } = this.#options
    for (const wanted of [port, ...further.filter((one) => one !== undefined)]) {
      this.listenings.push(await seat.listen((stream) => this.#server.emit('connection', stream), wanted))
    }
  }

  get address(): string {
    return this.listenings[0]!.address
  }

  get port(): number {
    return this.listenings[0]!.port
  }

  /** `https://HOST:PORT`. */
  get url(): string {
    return `https://${this.host}:${this.port}`
  }

  /** Answers so from now on; without a script, honestly again. */
  script(endpoint: Endpoint, script?: Script<Endpoint>): void {
    if (script === undefined) this.#scripts.delete(endpoint)
    else this.#scripts.set(endpoint, script)
  }

  /** Presents another certificate from now on, on connections that begin anew. */
  present({ certPem, keyPem }: Identity): void {
    this.#server.setSecureContext({ cert: certPem, key: keyPem })
    for (const one of this.listenings) one.drop()
  }

  /** Honest again, with the certificate of the beginning, and nothing written down. */
  async reset(): Promise<void> {
    this.#scripts.clear()
    this.present(this.#options.certificate)
    this.requests.length = 0
    this.brokenOff.length = 0
    this.connections = 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.listenings) await one[Symbol.asyncDispose]()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = await this.#requestOf(request)
    this.requests.push(asked)
    const honest = await this.honest(asked)
    const said = bodyOf(honest)
    const script = this.#scripts.get(asked.endpoint)
    const scripted = typeof script === 'function' ? script(asked, said) : script
    sendAnswer(response, scripted ?? this.#honestAnswer(honest), said)
  }

  #honestAnswer(honest: Honest): IssuerAnswer {
    const { headers } = this
    if (honest === undefined) return { status: 404, headers, body: { error: 'not_found' } }
    return 'answer' in honest ? honest.answer : { status: 200, headers, body: honest.json }
  }

  async #requestOf(request: IncomingMessage): Promise<ScriptedRequest<Endpoint>> {
    const { method = '', url: path = '', headers } = request
    const leaf = (request.socket as TLSSocket).getPeerX509Certificate()
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    return {
      endpoint: this.endpointOf(path),
      method,
      path,
      headers,
      body: Buffer.concat(chunks).toString('utf8'),
      presented: leaf && thumbprintS256(new Uint8Array(leaf.raw)),
    }
  }
}

function bodyOf(honest: Honest): unknown {
  if (honest === undefined || 'json' in honest) return honest?.json
  return typeof honest.answer === 'object' ? honest.answer.body : undefined
}
