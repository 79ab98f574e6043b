import type { IncomingMessage, ServerResponse } from 'node:http'
import { firstRefusal } from '../../shared/guard.ts'
import type { Log } from '../../shared/log.ts'
import type { Config } from '../config.ts'
import { bearerAccess } from '../guards/access.ts'
import { bearerCarrier } from '../guards/carrier.ts'
import { bearerFlood } from '../guards/flood.ts'
import { bearerRoute, type Routing } from '../guards/route.ts'
import { bearerToken } from '../guards/token.ts'
import type { Health } from '../health.ts'
import type { AcceptedTokens } from '../token/accepted.ts'
import { refusalAnswer } from './answers.ts'
import { type BodyLimits, hasBody, readBody } from './body.ts'
import { type Credential, type Ended, HandledCall, whileAccepted } from './call.ts'
import { type Connection, peerOf } from './callers.ts'
import { carriedBy, isForm } from './carrier.ts'
import { Exchange, type ExchangeFrame } from './exchange.ts'
import type { FailureLimit } from './flood.ts'
import type { Records } from './records.ts'
import { type Answer, type EventSession, Refusal, type Route } from './route.ts'
import { RouteTable, type Target } from './route-table.ts'

/** What a listener decided on a caller. */
export interface Heard {
  readonly remote: string
  readonly via: string | undefined
  /** Whose certificate the connection proved. */
  readonly peer: string | undefined
  /** Whether its token was accepted; undefined where it needed none, and had none. */
  readonly verdict: 'accepted' | 'refused' | undefined
}

export interface ServingOptions {
  readonly config: Pick<Config, 'peers' | 'proxies' | 'auth'>
  readonly routes: readonly Route[]
  readonly tokens: AcceptedTokens | undefined
  readonly records: Records
  readonly limited: Records
  readonly failures: FailureLimit
  readonly health: Health
  readonly log: Log
  readonly limits: BodyLimits
  onHeard?(heard: Heard): void
}

/** Of a form no more is read than what an honest one would need: no route takes one. */
const FORM_BYTES = 16 * 1024
/** Who is told that its token has ended, and waits for an answer, gets one within this. */
const ANSWERED_WITHIN_MS = 1_000

export interface Serving {
  serve(request: IncomingMessage, response: ServerResponse, connection: Connection): void
  endStreams(): void
}

export function createServing(options: ServingOptions): Serving {
  const { config, tokens, failures } = options
  const table = new RouteTable(options.routes)
  const { headerAlias } = config.auth
  const alias = headerAlias?.toLowerCase()
  const carriers = headerAlias === undefined ? 'Authorization' : `Authorization, ${headerAlias}`
  const frame: ExchangeFrame = { ...options, carriers, proxies: config.proxies }
  const streams = new Set<EventSession>()

  /** Who calls. Answers by what, or undefined where the caller was refused. */
  const admit = async (exchange: Exchange, target: Target): Promise<Credential | undefined> => {
    const { request, via } = exchange
    const formNames = isForm(request) && hasBody(request) ? await namesInForm(request, options.limits.ms) : undefined
    const carried = carriedBy(request, { alias, formNames })
    const isPresented = carried.value !== undefined
    const needs = needsToken(target, config.auth.readAccess)
    exchange.isPrivate = needs || isPresented || carried.problem !== undefined
    exchange.isVaried = !needs && target.found?.route.access === 'read'
    const digest = carried.value && tokens?.digest(carried.value)
    const context = { carried, isClosed: needs && tokens !== undefined, isPresented, via, tokens, digest }
    const found = await firstRefusal([bearerCarrier, bearerAccess, bearerToken], context)
    if (found !== undefined) {
      const limited = await firstRefusal([bearerFlood], { failures, address: exchange.address })
      heard(exchange, 'refused')
      const { guard, refusal } = limited ?? found
      exchange.refuse(guard, refusal.reason, refusalAnswer(guard, refusal), limited !== undefined)
      return undefined
    }
    exchange.tokenRef = digest && tokens?.refOfDigest(digest)
    if (exchange.tokenRef !== undefined) exchange.takeRequestId()
    heard(exchange, exchange.tokenRef === undefined ? undefined : 'accepted')
    return { tokens, digest }
  }

  const heard = (exchange: Exchange, verdict: Heard['verdict']): void => {
    if (options.onHeard === undefined) return
    const { via, caller, connection } = exchange
    options.onHeard({ remote: caller.remote, via, peer: peerOf(connection, config.peers), verdict })
  }

  const run = async (exchange: Exchange): Promise<void> => {
    const { target, request } = exchange
    const credential = await admit(exchange, target)
    if (credential === undefined) return
    const routing: Routing = { target, request, limits: options.limits }
    const found = await firstRefusal([bearerRoute], routing)
    if (found !== undefined) {
      exchange.refuse(found.guard, found.refusal.reason, refusalAnswer(found.guard, found.refusal))
      return
    }
    // Nothing is served that is not declared, whatever a guard says.
    if (target.found === undefined) throw new Error('no route was found')
    const { query, body, json } = routing
    const call = new HandledCall(exchange, credential, { found: target.found, query, body, json })
    const answer = await answered(exchange, call, async () => target.found!.route.handle(call))
    if (answer === undefined) return
    if ('events' in answer) open(exchange, credential, answer.events)
    else exchange.accept(answer)
  }

  const open = (exchange: Exchange, credential: Credential, begin: (session: EventSession) => void): void => {
    const session = exchange.stream()
    if (session === undefined) return
    streams.add(session)
    const stop = whileAccepted(credential, ({ guard, refusal }) => {
      exchange.recordEnd(guard, refusal.reason)
      session.end('credential_ended')
    })
    session.onEnd(() => {
      stop()
      streams.delete(session)
    })
    try {
      begin(session)
    } catch (failure) {
      session.end('failed')
      throw failure
    }
  }

  return {
    serve(request, response, connection) {
      const exchange = new Exchange(frame, { request, response, connection, target: table.target(request) })
      run(exchange).catch((failure: unknown) => failed(exchange, failure))
    },
    endStreams() {
      for (const session of [...streams]) session.end('stopping')
    },
  }
}

/** What is exactly a declared open route, or one that reads while reads are open, needs none. Everything else does. */
function needsToken({ found }: Target, readAccess: Config['auth']['readAccess']): boolean {
  if (found === undefined) return true
  const { access } = found.route
  return access === 'token' || (access === 'read' && readAccess === 'token')
}

/** What a handler answers; undefined once its caller was answered by us. */
async function answered(
  exchange: Exchange,
  call: HandledCall,
  handle: () => Promise<Answer>,
): Promise<Answer | undefined> {
  let timer: NodeJS.Timeout | undefined
  call.onEnded = () => {
    timer = setTimeout(() => refuseEnded(exchange, call.ended!), ANSWERED_WITHIN_MS)
  }
  try {
    return await handle()
  } catch (failure) {
    if (call.ended === undefined || failure instanceof Refusal) throw failure
    refuseEnded(exchange, call.ended)
    return undefined
  } finally {
    clearTimeout(timer)
    call.close()
  }
}

function refuseEnded(exchange: Exchange, { guard, refusal }: Ended): void {
  exchange.refuse(guard, refusal.reason, refusalAnswer(guard, refusal))
}

function failed(exchange: Exchange, failure: unknown): void {
  if (failure instanceof Refusal) exchange.refuse(failure.guard, failure.reason, failure.answer)
  else if (exchange.response.destroyed) exchange.abandon()
  else exchange.fail(failure)
}

/** No name, where it is longer than any that is meant: then it is refused for what it is, and no token of it was read. */
async function namesInForm(request: IncomingMessage, ms: number): Promise<string[]> {
  const body = await readBody(request, { bytes: FORM_BYTES, ms })
  return Buffer.isBuffer(body) ? [...new URLSearchParams(body.toString('latin1')).keys()] : []
}
