import { type CryptoKey, importJWK } from 'jose'
import type { Site } from '../../harness/backends/backend.ts'
import type { Identity } from '../../harness/pki/certificate.ts'
import type { Endpoint } from '../../harness/protocols/endpoint.ts'
import { callParts } from '../../harness/shipped.ts'
import { operatorOf } from '../../harness/site/insider.ts'
import { ScenarioSite, SharedKnowledge } from '../../harness/site/scenario-site.ts'
import { anchorOf, endpointOf } from '../../harness/site/site-files.ts'
import { benchSite } from '../site.ts'
import { type CertificateMaterial, certificateMaterial } from './certificates.ts'

export interface Bearer {
  readonly identity: Identity
  readonly token: string
}

/** A site to be fuzzed, with everything that an insider could have: good credentials, the signing key, the CA's key. */
export interface FuzzGround extends AsyncDisposable {
  readonly site: Site
  /** `node-a`, which is fuzzed, and what its own callers present. */
  readonly node: Bearer
  /** `node-c`, as which broken sessions are opened. */
  readonly peer: Bearer
  /** One more token of the peer, which may be lost. */
  readonly spare: Bearer
  /** `node-d`, a peer of which nothing is broken. */
  readonly controlPeer: Bearer
  readonly operator: Identity
  readonly signingKey: CryptoKey
  readonly certificates: CertificateMaterial
  /** A listener of a node, called as `identity` from the address of the peer. */
  endpoint(node: string, port: number, identity?: Identity): Endpoint
}

export const FUZZED = 'node-a'
export const PEER = 'node-c'
export const CONTROL_PEER = 'node-d'
/** Stopped, so that their sessions and those of the fuzzer do not replace each other. */
export const STOPPED: readonly string[] = [PEER, CONTROL_PEER]

/** Four nodes that peer, of which two are stopped. */
export async function openGround(): Promise<FuzzGround> {
  const site = await benchSite('shared-auth', { nodes: '4', certificateLifetime: '1h' })
  try {
    await Promise.all(STOPPED.map((name) => site.node(name).stop()))
    const scenario = new ScenarioSite(
      site,
      { name: 'fuzz', again: 'npm run fuzz' },
      new SharedKnowledge(),
      await callParts(),
    )
    const bearer = async (name: string): Promise<Bearer> => {
      const { certificate, token } = await scenario.credentials.anew(name).presented()
      return { identity: certificate!, token: token! }
    }
    const [authority, jwk, anchorPem, { identity: operator }] = await Promise.all([
      scenario.authority('ca'),
      scenario.signingKey('auth'),
      anchorOf(site, 'somebiz'),
      operatorOf(site, 'auth'),
    ])
    return {
      site,
      node: await bearer(FUZZED),
      peer: await bearer(PEER),
      spare: await bearer(PEER),
      controlPeer: await bearer(CONTROL_PEER),
      operator,
      signingKey: (await importJWK(jwk, 'ES256')) as CryptoKey,
      certificates: await certificateMaterial(authority, site.node(PEER).host),
      endpoint: (node, port, identity) => ({
        ...endpointOf(site, `https://${site.node(node).host}:${port}`, { from: PEER, anchorPem }),
        identity,
        // Patience with a machine that has other work, too: how quick an answer is has its own tests.
        timeoutMs: 30_000,
      }),
      [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
    }
  } catch (failure) {
    await site[Symbol.asyncDispose]()
    throw failure
  }
}
