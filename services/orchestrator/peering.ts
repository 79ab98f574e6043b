import type { TokenPolicy } from '../shared/bound-token.ts'
import { createIssuerClient, type IssuerClient } from '../shared/issuer-client.ts'
import { createTlsListener, type TlsListener } from '../shared/tls-listener.ts'
import { createTokenPolicy, isAuthReady } from '../shared/token-policy.ts'
import { addressOf, type PeeringConfiguration } from './config.ts'
import { Dialers } from './dialers.ts'
import { InboundSessions } from './inbound-sessions.ts'
import type { LocalOperation } from './local-call.ts'
import { peerOperations } from './local-peers.ts'
import { routeOperations } from './local-routes.ts'
import { listenerOf, type OwnNode } from './own-node.ts'
import { PeerTokens } from './peer-tokens.ts'
import { createPeeringHandlers, type PeeringOptions } from './peering-listener.ts'
import { Peers } from './peers.ts'
import { RouteTable } from './routes.ts'
import type { Section } from './section.ts'
import { peeringState, type StateOptions } from './state.ts'
import { createTokenSource, type TokenSource } from './token-source.ts'

const GRACE_MS = 2_000

/** What the section `peering` adds to a node. Nothing is opened before `listen`. */
export class Peering implements Section {
  /** How the tokens of callers are judged, on the local listener as well. */
  readonly policy: TokenPolicy
  /** Its part of the local API. */
  readonly operations: readonly LocalOperation[]
  readonly #node: OwnNode<PeeringConfiguration>
  readonly #state: StateOptions
  readonly #client: IssuerClient
  readonly #source: TokenSource
  readonly #tokens: PeerTokens
  readonly #dialers: Dialers
  readonly #inbound: InboundSessions
  readonly #listener: TlsListener

  constructor(node: OwnNode<PeeringConfiguration>) {
    const { configuration, certificates, material, store, decisions, recorder, log, localAddress } = node
    const own = configuration.node
    const newest = () => certificates.newest
    const thumbprints = () => certificates.thumbprints()
    const identity = () => ({ ca: material().auth, cert: newest().certificate, key: newest().key })
    const client = createIssuerClient(identity, localAddress)
    const ownAnchors = () => material().auth
    const source = createTokenSource({ clientId: own, material: newest, ownAnchors, localAddress })
    const policy = createTokenPolicy(own, configuration.peering, client, log)
    const peers = new Peers(store, configuration)
    const routes = localRoutes(node)
    const tokens = new PeerTokens({ configuration, peers, thumbprints, source, log })
    const inbound: InboundSessions = new InboundSessions({
      ...{ node: own, peers, routes, decisions, log, material: newest },
      holdTimeMs: configuration.peering.session.holdTimeMs,
      onEstablished: (peer) => dialers.peerIsUp(peer),
    })
    const outgoing = { configuration, tokens, routes, certificates, decisions, log, localAddress }
    const dialers: Dialers = new Dialers(peers, outgoing)
    this.policy = policy
    this.operations = [
      ...peerOperations({ configuration, peers, tokens, thumbprints }),
      ...routeOperations(routes, store),
    ]
    this.#node = node
    this.#state = { policy, certificates, peers, tokens, inbound, dialers, routes }
    this.#client = client
    this.#source = source
    this.#tokens = tokens
    this.#dialers = dialers
    this.#inbound = inbound
    this.#listener = createListener(node, { configuration, policy, peers, inbound, recorder, log })
  }

  state(): object {
    return peeringState(this.#state)
  }

  async notReady(): Promise<string | undefined> {
    return (await isAuthReady(this.policy)) ? undefined : 'auth_unavailable'
  }

  /** Whether a token that we present is bound to this certificate. */
  needs(x5t: string): boolean {
    return this.#tokens.isAnyBoundTo(x5t)
  }

  listen(): Promise<void> {
    return this.#listener.listen()
  }

  /** Begins to dial. */
  start(): void {
    const { mode, keys } = this.policy
    // The first caller should not have to wait for the keys.
    if (mode !== 'introspection') void keys.ready()
    this.#dialers.start()
    if (mode !== 'jwks') return
    this.#node.log.warn('revocation-unseen', {
      message: 'validation mode jwks: a revoked token is accepted until it expires',
    })
  }

  /** After a renewal: the tokens first, for without them the new certificate is of no use. */
  async renewed(): Promise<void> {
    await this.#tokens.rebind()
    this.#serve()
  }

  /** Certificate and anchors were read anew. */
  reloaded(): void {
    this.#serve()
    this.#inbound.recheck()
    this.#dialers.wakeAll()
  }

  /** Ends the sessions, then the listener. */
  async stop(): Promise<void> {
    this.#dialers.stop('shutdown')
    this.#inbound.close()
    this.#tokens.close()
    await this.#listener.close(GRACE_MS)
  }

  /** When every listener has closed: until then a call of the local API may still ask the auth server. */
  close(): void {
    this.#client.close()
    this.#source.close()
  }

  #serve(): void {
    this.#listener.reload(this.#node.certificates.newest)
    this.#client.renew()
  }
}

function createListener(node: OwnNode<PeeringConfiguration>, options: PeeringOptions): TlsListener {
  return createTlsListener({
    ...listenerOf(node),
    ...addressOf(node.configuration.peering.listen),
    ...createPeeringHandlers(options),
    name: 'peering',
    action: 'peering:connect',
    material: node.certificates.newest,
  })
}

function localRoutes({ configuration, store }: OwnNode<PeeringConfiguration>): RouteTable {
  const routes = new RouteTable()
  for (const route of [...store.routes(), ...configuration.peering.routes]) routes.putLocal(route)
  return routes
}
