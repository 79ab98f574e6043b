import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { importJWK, type JWK, SignJWT } from 'jose'
import { z } from 'zod'
import { request } from '../../../agent/https-request.ts'
import type { Site } from '../../../backends/backend.ts'
import { newRequest } from '../../../pki/request.ts'
import { compile, kinds } from '../../../shipped.ts'
import { defineKind } from '../../../topology/kind.ts'
import type { TopologyDeclaration } from '../../../topology/schema.ts'

// A CA with two provisioners, and gateways that hold the key of one and a certificate of the other.

export const caHost = 'ca.fed.test'
export const caUrl = `https://${caHost}:9000`
export const grant = '0eebcc99-1c0b-4ef8-bb6d-6bb9bd380a11'
export const subject = '1f0e2b5c-2222-4c3d-9e5f-0a1b2c3d4e5f'

/** Uses what it holds, and does nothing. */
const gateway = defineKind({
  name: 'gateway',
  summary: 'holds credentials',
  settings: z.strictObject({ uses: z.array(z.string()) }),
  plan: (unit) => ({
    summary: 'holds credentials',
    files: [{ path: '@{unit}/uses.json', json: unit.settings.uses.map((name) => unit.credential(name).path) }],
  }),
})

export const provisioners = {
  'mosaic-fed': {
    template: fileURLToPath(new URL('grant.tpl', import.meta.url)),
    claims: {
      ...{ minTLSCertDuration: '30s', defaultTLSCertDuration: '5m', maxTLSCertDuration: '15m' },
      disableRenewal: true,
    },
  },
  'gateway-server': { type: 'JWK', usages: ['serverAuth'] },
}

/** The topology; `settings`: of the CA, over those that it has here. */
export function topology(settings: Record<string, unknown> = {}, key: Record<string, unknown> = {}) {
  const uses = (node: string) => ({
    host: `${node}.fed.test`,
    domain: 'fed',
    units: { gateway: { kind: 'gateway', settings: { uses: ['fed-provisioner', `${node}-tls`] } } },
  })
  const certificate = (holder: string) => ({
    ...{ kind: 'certificate', issuer: 'ca/gateway-server', holder, lifetime: '10m', handover: 'enrol' },
  })
  const crl = { cacheDuration: '1h', renewPeriod: '20m' }
  return {
    name: 'gateways',
    summary: 'a CA with two provisioners',
    trustDomains: { fed: { ca: 'ca' } },
    nodes: {
      ca: {
        host: caHost,
        domain: 'fed',
        units: { ca: { kind: 'step-ca', settings: { provisioners, crl, backdate: '60s', ...settings } } },
      },
      a: uses('a'),
      b: uses('b'),
    },
    credentials: {
      'fed-provisioner': {
        ...{ kind: 'jwk', issuer: 'ca', holders: ['a', 'b'], handover: { method: 'copy', mode: '0600' } },
        ...key,
      },
      'a-tls': certificate('a'),
      'b-tls': certificate('b'),
    },
    accepts: [],
  } as unknown as TopologyDeclaration
}

export function planOf(...changes: Parameters<typeof topology>) {
  return compile(topology(...changes), { kinds: new Map([...kinds, ['gateway', gateway]]) })
}

export interface OneTime {
  audience?: 'sign' | 'revoke'
  subject?: string
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
  issuedAt?: number
}

/** A one-time token as a gateway makes it. */
export async function oneTimeToken(jwk: JWK, options: OneTime = {}): Promise<string> {
  const { audience = 'sign', subject: sub = 'peer.test', claims = {}, header, issuedAt } = options
  const now = issuedAt ?? Math.floor(Date.now() / 1000)
  return new SignJWT({
    ...{ iss: 'mosaic-fed', aud: `${caUrl}/1.0/${audience}`, sub, sans: [sub], iat: now, nbf: now, exp: now + 60 },
    ...{ jti: randomBytes(16).toString('hex'), ...claims },
  })
    .setProtectedHeader({ alg: 'ES256', kid: jwk.kid!, typ: 'JWT', ...header })
    .sign(await importJWK(jwk, 'ES256'))
}

/** The CA of a site, asked over verified TLS. */
export class AskedCa {
  readonly #site: Site
  readonly jwk: JWK
  readonly anchorPem: string

  constructor(site: Site, jwk: JWK, anchorPem: string) {
    this.#site = site
    this.jwk = jwk
    this.anchorPem = anchorPem
  }

  post(path: string, json: unknown, as?: { certPem: string; keyPem: string }) {
    const tls = { ca: this.anchorPem, cert: as?.certPem, key: as?.keyPem } as { ca: string }
    const address = this.#site.resolve(caHost)
    return request({ method: 'POST', url: `${caUrl}${path}`, address: address!, tls, json, timeoutMs: 10_000 })
  }

  get(path: string) {
    const [address, tls] = [this.#site.resolve(caHost), { ca: this.anchorPem }]
    return request({ method: 'GET', url: `${caUrl}${path}`, address: address!, tls, timeoutMs: 10_000 })
  }

  /** A leaf of the first provisioner; `token` is over what a good one has. */
  async sign({ seconds = 300, token = {} as OneTime, bound = true, name = 'peer.test' } = {}) {
    const { csrPem, keyPem, x5rt } = await newRequest({ subject: name, sans: [name] })
    const ids = { mosaic_grant_id: grant, mosaic_subject_user_id: subject }
    const claims = { ...ids, ...(bound && { cnf: { 'x5rt#S256': x5rt } }), ...token.claims }
    const ott = await oneTimeToken(this.jwk, { subject: name, ...token, claims })
    const { status, text, json } = await this.post('/1.0/sign', { csr: csrPem, ott, notAfter: `${seconds}s` })
    const { certChain = [] } = (json ?? {}) as { certChain?: string[] }
    const certPem = certChain.map((one) => `${one.trimEnd()}\n`).join('')
    return { status, text, certPem, keyPem, csrPem, ott }
  }

  /** Revokes by a token; `token` is over what a good one has. */
  async revoke(serial: string, token: OneTime = {}) {
    const ott = await oneTimeToken(this.jwk, { audience: 'revoke', subject: serial, ...token })
    return this.post('/1.0/revoke', { serial, ott, reasonCode: 9, reason: 'privilege withdrawn', passive: true })
  }
}
