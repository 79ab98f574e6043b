import { createHash, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import type { JWK, JWTPayload } from 'jose'
import { z } from 'zod'
import type { ScenarioSite } from '../../site/scenario-site.ts'
import { endpointAt } from '../../site/site-files.ts'
import { type Reply, send } from './reply.ts'
import type { CertificateRequest } from './requests.ts'

/** How a one-time token differs from the one that a gateway would sign. A claim that is undefined is left out. */
export interface OddToken {
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  /** Signed with a key that nobody knows; not signed at all; or by way of HMAC, with the public key as the secret that both know. */
  readonly signed?: 'by another' | 'by nobody' | 'by HMAC'
}

/** For whom it is. */
export interface TokenFor {
  readonly commonName: string
  readonly request: Pick<CertificateRequest, 'csrPem'>
  readonly grantId: string
  readonly subjectUserId: string
}

/** A call, as step-ca writes it down. */
export interface CertifierCall {
  readonly path: string
  readonly status: number
  /** Of what it signed. */
  readonly subject?: string
  /** In decimal. */
  readonly serial?: string
  /** Why it has not. */
  readonly error?: string
  readonly 'user-agent': string
}

/** The place of the key that gateways have a copy of. */
const keyFile = 'credentials/fed-provisioner/provisioner.json'
const lifeSeconds = 60

/** The CA of peers itself, asked past the gateways by somebody who has got hold of the key with which they sign their one-time tokens. */
export class Certifier {
  readonly #site: ScenarioSite
  readonly #node: string
  readonly #holder: string
  readonly #marks = new WeakMap<Reply<unknown>, string>()

  constructor(site: ScenarioSite, node: string, holder: string) {
    ;[this.#site, this.#node, this.#holder] = [site, node, holder]
  }

  get url(): string {
    return `https://${this.#site.node(this.#node).host}:${this.#listener.port}`
  }

  /** As a gateway signs it, but for what is odd. */
  async token({ commonName, request, grantId, subjectUserId }: TokenFor, odd: OddToken = {}): Promise<string> {
    const { SignJWT, importJWK } = await import('jose')
    const key = await this.key()
    const now = Math.floor(Date.now() / 1000)
    const { anchorPem } = await this.#endpoint()
    const claims: JWTPayload = {
      ...{ iss: 'mosaic-fed', aud: `${this.url}/1.0/sign`, sub: commonName, sans: [commonName] },
      ...{ iat: now, nbf: now, exp: now + lifeSeconds, jti: randomBytes(16).toString('hex') },
      sha: createHash('sha256').update(new X509Certificate(anchorPem).raw).digest('hex'),
      cnf: { 'x5rt#S256': x5rtOf(request.csrPem) },
      ...{ mosaic_grant_id: grantId, mosaic_subject_user_id: subjectUserId },
      ...odd.claims,
    }
    const payload = JSON.parse(JSON.stringify(claims)) as JWTPayload
    const header = { alg: key.alg ?? 'ES256', kid: key.kid!, typ: 'JWT', ...odd.header }
    if (odd.signed === 'by nobody') {
      const parts = [{ ...header, alg: 'none' }, payload].map((part) => base64url(JSON.stringify(part)))
      return `${parts.join('.')}.`
    }
    if (odd.signed === 'by HMAC') {
      const { d: _, ...known } = key
      return new SignJWT(payload)
        .setProtectedHeader({ ...header, alg: 'HS256' })
        .sign(new TextEncoder().encode(JSON.stringify(known)))
    }
    const another = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    return new SignJWT(payload)
      .setProtectedHeader(header)
      .sign(odd.signed === 'by another' ? another : await importJWK(key))
  }

  /** What it says to a token and a request. */
  sign(csr: string, ott: string, more: object = { notAfter: '300s' }) {
    return this.#ask('POST', '/1.0/sign', { csr, ott, ...more })
  }

  /** Of a certificate, by its serial number as step-ca says it: in decimal. */
  revoke(serial: string, ott: string) {
    return this.#ask('POST', '/1.0/revoke', { serial, ott, passive: true, reasonCode: 0, reason: 'a test' })
  }

  /** What it wrote down of one of these calls. */
  async logged(reply: Reply<unknown>): Promise<CertifierCall> {
    const mark = this.#marks.get(reply)
    const look = () => this.#calls().find((call) => call['user-agent'] === mark)
    return this.#site.until(`the CA to write down ${mark}`, look, { withinMs: 10_000 })
  }

  /** What it has written down of all calls until now: those of gateways as well. */
  async calls(): Promise<readonly CertifierCall[]> {
    await this.logged(await this.#ask('GET', '/health'))
    return this.#calls()
  }

  async key(): Promise<JWK> {
    return JSON.parse(await this.#site.node(this.#holder).readFile(keyFile)) as JWK
  }

  get #listener() {
    return this.#site.plan.nodes[this.#node]!.units[0]!.service!.listeners[0]!
  }

  async #ask(method: string, path: string, json?: object): Promise<Reply<unknown>> {
    const mark = `test-${randomBytes(8).toString('hex')}`
    const headers = [['User-Agent', mark]] as const
    const reply = await send(await this.#endpoint(), { method, path, json, headers }, z.unknown())
    this.#marks.set(reply, mark)
    return reply
  }

  #calls(): CertifierCall[] {
    const lines = this.#site.node(this.#node).logs()
    return lines.filter((line) => line.includes('"user-agent"')).map((line) => JSON.parse(line) as CertifierCall)
  }

  #endpoint() {
    const { host, domain } = this.#site.plan.nodes[this.#node]!
    return endpointAt(this.#site.site, this.#holder, { host, domain, listener: this.#listener })
  }
}

const base64url = (text: string) => Buffer.from(text).toString('base64url')

function x5rtOf(csrPem: string): string {
  const der = Buffer.from(csrPem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
  return createHash('sha256').update(der).digest('base64url')
}
