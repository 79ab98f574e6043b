import { X509Certificate } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import type { TokenPolicy } from '../shared/bound-token.ts'
import type { DecisionLog } from '../shared/decision-log.ts'
import { createIntrospection } from '../shared/introspection.ts'
import { createIssuerClient } from '../shared/issuer-client.ts'
import { createIssuerKeys } from '../shared/issuer-keys.ts'
import { createIssuerMetadata } from '../shared/issuer-metadata.ts'
import { failureFields, type Log } from '../shared/log.ts'
import { thumbprint } from '../shared/peer-certificate.ts'
import { createTlsListener } from '../shared/tls-listener.ts'
import { readAnchors, readTlsMaterial, type TlsMaterial } from '../shared/tls-material.ts'
import { CallRecorder } from './call-record.ts'
import { startRenewal } from './certificate-renewal.ts'
import { addressOf, type Configuration } from './config.ts'
import { Dialers } from './dialers.ts'
import { peerTls } from './guards/peer-tls.ts'
import { InboundSessions } from './inbound-sessions.ts'
import { createLocalHandler } from './local-listener.ts'
import { peerOperations } from './local-peers.ts'
import { routeOperations } from './local-routes.ts'
import { OwnCertificates, overdueAt } from './own-certificates.ts'
import { PeerTokens } from './peer-tokens.ts'
import { createPeeringHandlers } from './peering-listener.ts'
import { Peers } from './peers.ts'
import { RouteTable } from './routes.ts'
import { replaceFile } from './secret-file.ts'
import { stateOperation } from './state.ts'
import type { Store } from './store.ts'
import { createTokenSource } from './token-source.ts'

export interface Orchestrator {
  /** Opens both listeners and begins to dial. */
  start(): Promise<void>
  /** Reads certificates and anchors anew; on a mistake in them everything stays as it is. */
  reload(): void
  stop(): Promise<void>
}

/** Everything that is read from PEM files. */
export interface Material {
  peering: TlsMaterial
  local: TlsMaterial
  auth: readonly string[]
  /** The certificate before the last renewal, where tokens may still be bound to it. */
  previous?: TlsMaterial
}

/** Throws `StartFailure`. */
export function readMaterial(configuration: Configuration): Material {
  const { tls, trustDomain } = configuration
  const { trustDomains, auth } = configuration.peering
  const own = { [trustDomain.name]: trustDomain.ca }
  const foreign = Object.fromEntries(Object.entries(trustDomains).map(([name, { ca }]) => [name, ca]))
  const peering = readTlsMaterial({ ...tls, anchors: { ...foreign, ...own } })
  return {
    peering,
    previous: previousIn(previousFile(configuration), peering),
    local: readTlsMaterial({ ...tls, anchors: own }),
    auth: readAnchors(auth.ca ?? trustDomain.ca).map(String),
  }
}

/** `x5t#S256` of what can be presented, the newest first. */
export function thumbprintsIn({ peering, previous }: Material): string[] {
  return [peering, previous].flatMap((material) => (material ? [thumbprint(material.leaf)] : []))
}

const GRACE_MS = 2_000

/** Puts a node together. Nothing is opened before `start`. */
export function createOrchestrator(given: {
  configuration: Configuration
  material: Material
  store: Store
  decisions: DecisionLog
  log: Log
}): Orchestrator {
  const { configuration, store, decisions, log } = given
  const { node } = configuration
  let material = given.material
  const certificates = new OwnCertificates(material.peering, material.previous)
  const peeringMaterial = (): TlsMaterial => certificates.newest
  const ownThumbprint = (): string => thumbprint(certificates.newest.leaf)
  const listen = { peering: addressOf(configuration.peering.listen), local: addressOf(configuration.listen.local) }
  const localAddress = isAnyAddress(listen.peering.host) ? undefined : listen.peering.host

  const client = createIssuerClient(
    () => ({ ca: material.auth, cert: certificates.newest.certificate, key: certificates.newest.key }),
    localAddress,
  )
  const policy = createPolicy(configuration, client, log)
  const source = createTokenSource({
    clientId: node,
    material: peeringMaterial,
    ownAnchors: () => material.auth,
    localAddress,
  })
  const peers = new Peers(store, configuration)
  const routes = localRoutes(configuration, store)
  const tokens = new PeerTokens({ configuration, peers, thumbprints: () => certificates.thumbprints(), source, log })
  const { holdTimeMs } = configuration.peering.session
  const inbound: InboundSessions = new InboundSessions({
    node,
    holdTimeMs,
    peers,
    routes,
    decisions,
    log,
    material: peeringMaterial,
    onEstablished: (peer) => dialers.peerIsUp(peer),
  })
  const dialers: Dialers = new Dialers(peers, {
    configuration,
    tokens,
    routes,
    certificates,
    decisions,
    log,
    localAddress,
  })
  const recorder = new CallRecorder(decisions, node)
  const listenerBase = {
    clientCertificate: 'required' as const,
    gate: peerTls,
    decisions,
    target: node,
    maxHandshakes: configuration.limits.handshakes,
  }
  const peering = createTlsListener({
    ...listenerBase,
    ...createPeeringHandlers({ configuration, policy, peers, inbound, recorder, log }),
    ...listen.peering,
    name: 'peering',
    action: 'peering:connect',
    material: material.peering,
  })
  const local = createTlsListener({
    ...listenerBase,
    ...listen.local,
    name: 'local',
    action: 'node:read',
    material: material.local,
    onRequest: createLocalHandler({
      configuration,
      policy,
      recorder,
      log,
      notReady: () => notReady(policy, store, certificates.newest, configuration.tls.renewUrl !== undefined),
      operations: [
        ...peerOperations({ configuration, peers, tokens, thumbprints: () => certificates.thumbprints() }),
        ...routeOperations(routes, store),
        stateOperation({
          node,
          mode: policy.mode,
          keys: policy.keys,
          certificates,
          peers,
          tokens,
          inbound,
          dialers,
          routes,
        }),
      ],
    }),
  })

  const serve = (): void => {
    const { certificate, leaf, key } = certificates.newest
    peering.reload(certificates.newest)
    local.reload({ ...material.local, certificate, leaf, key })
    client.renew()
  }
  const keep = (certificate: string): void => {
    try {
      replaceFile(previousFile(configuration), certificates.newest.certificate)
      replaceFile(configuration.tls.cert, certificate)
    } catch (failure) {
      // Not a reason to let the certificate end: only a restart will miss it.
      log.error('certificate-not-written', failureFields(failure))
    }
  }
  const forget = (file: string): void => {
    try {
      rmSync(file, { force: true })
    } catch (failure) {
      // What is left there is looked at again after a restart, and not used when it has ended.
      log.error('certificate-not-removed', failureFields(failure))
    }
  }
  const { renewUrl } = configuration.tls
  let renewal: { close(): void } | undefined
  const startRenewing = (url: string): { close(): void } =>
    startRenewal({
      url,
      anchors: () => (certificates.newest.anchors.get(configuration.trustDomain.name) ?? []).map(String),
      newest: () => certificates.newest,
      localAddress,
      log,
      async onRenewed(renewed) {
        // Whoever gives us tokens finds the new one in the file, and a restart finds what older tokens are bound to.
        keep(renewed.certificate)
        certificates.renewed(renewed)
        log.info('certificate-renewed', {
          'x5t#S256': ownThumbprint(),
          notAfter: renewed.leaf.validToDate.toISOString(),
        })
        await tokens.rebind()
        serve()
      },
      onGlance() {
        const previous = certificates.previous()
        if (previous !== undefined && tokens.isAnyBoundTo(thumbprint(previous.leaf))) return
        if (certificates.dropPrevious()) forget(previousFile(configuration))
      },
    })

  return {
    async start() {
      await Promise.all([peering.listen(), local.listen()])
      if (renewUrl !== undefined) renewal = startRenewing(renewUrl)
      // The first caller should not have to wait for the keys.
      if (policy.mode !== 'introspection') void policy.keys.ready()
      dialers.start()
      log.info('started', { peering: configuration.peering.listen, local: configuration.listen.local })
      if (policy.mode === 'jwks') {
        log.warn('revocation-unseen', { message: 'validation mode jwks: a revoked token is accepted until it expires' })
      }
    },
    reload() {
      try {
        material = readMaterial(configuration)
      } catch (failure) {
        return log.error('reload-failed', failureFields(failure))
      }
      certificates.reloaded(material.peering)
      serve()
      inbound.recheck()
      dialers.wakeAll()
      log.info('reloaded', { 'x5t#S256': ownThumbprint() })
    },
    async stop() {
      renewal?.close()
      dialers.stop('shutdown')
      inbound.close()
      tokens.close()
      await Promise.all([peering.close(GRACE_MS), local.close(GRACE_MS)])
      client.close()
      source.close()
      store.close()
      decisions.close()
    },
  }
}

function previousFile({ tls }: Configuration): string {
  return `${tls.cert}.previous`
}

/** It is for the same key, for a renewal keeps that. What cannot be used is as good as none. */
function previousIn(file: string, newest: TlsMaterial): TlsMaterial | undefined {
  try {
    const certificate = readFileSync(file, 'utf8')
    const leaf = new X509Certificate(certificate)
    return leaf.publicKey.equals(newest.leaf.publicKey) ? { ...newest, certificate, leaf } : undefined
  } catch {
    return undefined
  }
}

function createPolicy(
  configuration: Configuration,
  client: ReturnType<typeof createIssuerClient>,
  log: Log,
): TokenPolicy {
  const { node } = configuration
  const { auth, validation, clockSkewSeconds } = configuration.peering
  const metadata = createIssuerMetadata(auth.issuer, client)
  const endpoint = async (): Promise<string> => {
    const url = auth.introspectionEndpoint ?? (await metadata.endpoints()).introspection
    if (url === undefined) throw new Error(`${auth.issuer} names no introspection endpoint`)
    return url
  }
  const warn = (event: string) => (failure: unknown) => log.warn(event, failureFields(failure))
  return {
    node,
    issuer: auth.issuer,
    mode: validation.mode,
    clockSkewSeconds,
    now: Date.now,
    keys: createIssuerKeys({
      url: auth.jwksUri ?? `${auth.issuer.replace(/\/$/, '')}/jwks`,
      client,
      onFailure: warn('jwks-unavailable'),
    }),
    introspection: createIntrospection({
      client,
      endpoint,
      clientId: node,
      cacheMs: validation.introspectionCacheMs,
      onFailure: warn('introspection-unavailable'),
    }),
  }
}

function localRoutes(configuration: Configuration, store: Store): RouteTable {
  const routes = new RouteTable()
  for (const route of [...store.routes(), ...configuration.peering.routes]) routes.putLocal(route)
  return routes
}

async function notReady(
  policy: TokenPolicy,
  store: Store,
  newest: TlsMaterial,
  isRenewed: boolean,
): Promise<string | undefined> {
  if (newest.leaf.validToDate.getTime() <= Date.now()) return 'certificate_ended'
  if (isRenewed && overdueAt(newest) <= Date.now()) return 'certificate_ending'
  if (!store.isWritable()) return 'storage_unavailable'
  const isReady = policy.mode === 'introspection' ? await policy.introspection.ready() : await policy.keys.ready()
  return isReady ? undefined : 'auth_unavailable'
}

function isAnyAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === '' || host === 'localhost'
}
