import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { type TokenPolicy, tokenGuards } from '../shared/bound-token.ts'
import { firstRefusal, type Refusal } from '../shared/guard.ts'
import { failureFields, type Log } from '../shared/log.ts'
import type { TlsConnection } from '../shared/tls-listener.ts'
import { callContext, type UpgradeContext } from './call-context.ts'
import { answerRefusal, type CallRecorder } from './call-record.ts'
import type { PeeringConfiguration } from './config.ts'
import { peerAdmit } from './guards/peer-admit.ts'
import { peerCarrier } from './guards/peer-carrier.ts'
import { peerIdentity } from './guards/peer-identity.ts'
import { peerRate } from './guards/peer-rate.ts'
import { peerUpgrade } from './guards/peer-upgrade.ts'
import type { InboundSessions } from './inbound-sessions.ts'
import type { Peers } from './peers.ts'
import { createRefusalRate, type RefusalRate } from './refusal-rate.ts'
import { SessionPlaces } from './session-places.ts'
import { LARGEST_MESSAGE, SUBPROTOCOL } from './wire.ts'

// An import would ask for all that the module exports, and so load an HTTP client that nobody needs: a sixth of what a start takes.
const http = process.getBuiltinModule('node:http')

export interface PeeringOptions {
  readonly configuration: PeeringConfiguration
  readonly policy: TokenPolicy
  readonly peers: Peers
  readonly inbound: InboundSessions
  readonly recorder: CallRecorder
  readonly log: Log
}

const ACTION = 'peering:connect'

/** The peering listener's handlers: every guard in its order, then the session. */
export function createPeeringHandlers(options: PeeringOptions) {
  const { configuration, policy, peers, inbound, log } = options
  const { limits } = configuration.peering
  const call = { policy, host: configuration.host, audiences: audiencesOf(configuration), scope: 'peer:connect' }
  const rate = createRefusalRate({
    perCertificate: limits.refusalsPerCertificate,
    perAddress: limits.refusalsPerAddress,
  })
  const judge = createJudge(options, rate)
  const sockets = createSockets()
  const places = new SessionPlaces(limits.sessions)
  let upgradesOpen = 0

  const contextOf = (request: IncomingMessage, connection: TlsConnection, isUpgrade: boolean): UpgradeContext => ({
    ...callContext(request, connection, call),
    rate,
    isUpgrade,
    upgradesOpen,
    mostUpgrades: configuration.limits.handshakes,
    places,
    peerNamed: (name) => (typeof name === 'string' ? peers.get(name) : undefined),
  })
  return {
    async onRequest(request: IncomingMessage, response: ServerResponse, connection: TlsConnection): Promise<void> {
      const context = contextOf(request, connection, false)
      try {
        const refusal = await judge(context)
        // Not an upgrade, so no guard taken out from outside can make a session of it.
        const answer = refusal ?? { reason: 'upgrade_invalid', status: 426, error: 'upgrade_required' }
        answerRefusal(request, response, configuration.host, answer, upgradeHeaders(answer))
      } catch (failure) {
        log.error('request-failed', failureFields(failure))
        response.destroy()
      } finally {
        context.place?.free()
      }
    },
    async onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, connection: TlsConnection): Promise<void> {
      upgradesOpen += 1
      const context = contextOf(request, connection, true)
      let isAdmitted = false
      try {
        const refusal = await judge(context)
        if (refusal !== undefined) return refuseUpgrade(request, socket, configuration.host, refusal)
        sockets.handleUpgrade(request, socket, head, (upgraded) => {
          isAdmitted = true
          inbound.admit(upgraded, context)
        })
      } catch (failure) {
        log.error('upgrade-failed', failureFields(failure))
        socket.destroy()
      } finally {
        upgradesOpen -= 1
        if (!isAdmitted) context.place?.free()
      }
    },
  }
}

function audiencesOf({ host, peering: { audience } }: PeeringConfiguration): string[] {
  return audience === undefined ? [`https://${host}`] : [`https://${host}`, audience]
}

/** Judges and records; answers the refusal, if there is one. */
function createJudge({ policy, recorder }: PeeringOptions, rate: RefusalRate) {
  const identity = tokenGuards<UpgradeContext>(policy.mode, [peerIdentity])
  const order = [peerUpgrade, peerRate, peerCarrier, ...identity, peerAdmit]
  return async (context: UpgradeContext): Promise<Refusal | undefined> => {
    const startedAt = performance.now()
    const refused = await firstRefusal(order, context).catch((failure: unknown) => {
      recorder.failed(context, ACTION, null, startedAt)
      throw failure
    })
    if (refused === undefined) {
      recorder.accepted(context, ACTION, 101, startedAt)
      return undefined
    }
    const address = context.connection.socket.remoteAddress ?? ''
    if (refused.refusal.reason !== 'rate_limited') rate.count({ thumbprint: context.thumbprint, address })
    recorder.refused(context, ACTION, refused, startedAt)
    return refused.refusal
  }
}

function createSockets(): WebSocketServer {
  return new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    // The session answers, within bounds: ws would keep an answer to each ping for a peer that reads none.
    autoPong: false,
    maxPayload: LARGEST_MESSAGE,
    clientTracking: false,
    handleProtocols: () => SUBPROTOCOL,
  })
}

/** RFC 9110 section 15.5.22, RFC 6455 section 4.4. */
function upgradeHeaders(refusal: Refusal): Record<string, string> {
  return refusal.status === 426 ? { upgrade: 'websocket', 'sec-websocket-version': '13' } : {}
}

/** A real HTTP answer on the socket of a refused upgrade, which then closes. */
function refuseUpgrade(request: IncomingMessage, socket: Duplex, realm: string, refusal: Refusal): void {
  const response = new http.ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket as Socket)
  response.once('finish', () => {
    response.detachSocket(socket as Socket)
    // Unlike `end`, this does not wait for the caller to close its half.
    ;(socket as Socket).destroySoon()
  })
  answerRefusal(request, response, realm, refusal, {
    ...upgradeHeaders(refusal),
    connection: refusal.status === 426 ? 'Upgrade, close' : 'close',
  })
}
