import type { X509Certificate } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import {
  type Keys,
  type LeafChanges,
  namesExtension,
  OIDS,
  provisionerExtension,
  type TestCa,
  uuidExtension,
  x509,
} from './certificates.ts'
import { type Answer, holdServer, json, type LiveServer, liveRoot, liveServer, liveSub } from './live.ts'

// Not shipped: a CA that believes every token, and signs with whatever defect a test wants.

export interface SigningCa extends AsyncDisposable {
  readonly server: LiveServer
  readonly root: TestCa
  readonly issuing: TestCa
  /** What it signed, oldest first. */
  readonly issued: X509Certificate[]
  /** In place of what an honest one would sign. */
  defect: ((honest: Draft) => LeafChanges | Promise<LeafChanges>) | undefined
  /** Who signs, in place of its intermediate; what it sends is still said to come of that. */
  signsWith: TestCa | undefined
  /** In place of an answer to `POST /1.0/sign`. */
  answer: Answer | undefined
  /** Is told of each request to sign before it is answered. */
  onSign: (() => unknown) | undefined
  /** Is told of each question for its health before it is answered. */
  onHealth: (() => unknown) | undefined
  isWell: boolean
}

/** An honest leaf, with what it was made of. */
export interface Draft extends LeafChanges {
  readonly claims: { readonly grant: string; readonly subject: string; readonly name: string }
  readonly extensions: NonNullable<LeafChanges['extensions']>
}

const MINUTE = 60_000

export async function signingCa(): Promise<SigningCa> {
  const root = await liveRoot('root')
  const issuing = await liveSub(root, 'issuing')
  const held = await holdServer(root, ['localhost'])
  const ca: Omit<SigningCa, 'server' | typeof Symbol.asyncDispose> = {
    ...{ root, issuing, issued: [], isWell: true },
    ...{ defect: undefined, signsWith: undefined, answer: undefined, onSign: undefined, onHealth: undefined },
  }
  const sign: Answer = async (_, response, body) => {
    const draft = await draftOf(JSON.parse(body))
    const { claims: __, ...leaf } = { ...draft, ...(await ca.defect?.(draft)) } as Draft
    const certificate = await (ca.signsWith ?? issuing).issue(leaf)
    ca.issued.push(certificate)
    json(response, 201, { certChain: [String(certificate), String(issuing.certificate)] })
  }
  const server = await liveServer({ cert: held.cert, key: held.key }, async (request, response, body) => {
    if (request.url === '/health') {
      await ca.onHealth?.()
      return json(response, 200, { status: ca.isWell ? 'ok' : 'starting' })
    }
    if (request.url !== '/1.0/sign') return json(response, 404, {})
    await ca.onSign?.()
    return (ca.answer ?? sign)(request, response, body)
  })
  return Object.assign(ca, { server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() })
}

/** For `onSign`: each signature waits until so many are asked for. */
export function together(most: number): () => Promise<void> {
  let waiting = 0
  const { promise: all, resolve: go } = Promise.withResolvers<void>()
  return () => {
    if (++waiting === most) go()
    return all
  }
}

/** What an honest CA would sign for the body of `POST /1.0/sign`. */
export async function draftOf({ csr, ott, notAfter }: { csr: string; ott: string; notAfter: string }): Promise<Draft> {
  const said = decodeJwt<{ mosaic_grant_id: string; mosaic_subject_user_id: string }>(ott)
  const claims = { grant: said.mosaic_grant_id, subject: said.mosaic_subject_user_id, name: said.sub! }
  const publicKey = await new x509.Pkcs10CertificateRequest(csr).publicKey.export()
  const now = Date.now()
  return {
    claims,
    subject: `CN=${claims.name}`,
    // Whoever issues wants no more of a pair of keys.
    keys: { publicKey } as Keys,
    notBefore: new Date(now - MINUTE),
    notAfter: new Date(now + Number.parseInt(notAfter, 10) * 1_000),
    extensions: {
      names: namesExtension(['dns', claims.name]),
      provisioner: provisionerExtension({ name: said.iss!, kid: decodeProtectedHeader(ott).kid! }),
      grant: uuidExtension(OIDS.grant, claims.grant),
      subject: uuidExtension(OIDS.subject, claims.subject),
    },
  }
}
