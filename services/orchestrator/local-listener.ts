import type { IncomingMessage, ServerResponse } from 'node:http'
import { type TokenPolicy, tokenGuards } from '../shared/bound-token.ts'
import { firstRefusal } from '../shared/guard.ts'
import { BodyRefused, readJson, sendJson } from '../shared/http-json.ts'
import { allowed, methodOf } from '../shared/http-method.ts'
import { failureFields, type Log } from '../shared/log.ts'
import { StorageUnavailable } from '../shared/sqlite.ts'
import type { TlsConnection } from '../shared/tls-listener.ts'
import { callContext } from './call-context.ts'
import { answerRefusal, type CallRecorder } from './call-record.ts'
import type { Configuration } from './config.ts'
import { isOperator, type LocalContext, localCaller } from './guards/local-caller.ts'
import { localHost } from './guards/local-host.ts'
import { localBody, localQuery, localRoute, localStorage } from './guards/local-request.ts'
import { peerCarrier } from './guards/peer-carrier.ts'
import { CallRefused, isForOperators, type LocalAnswer, type LocalOperation, pass, valid } from './local-call.ts'

export interface LocalOptions {
  readonly configuration: Configuration
  readonly policy: TokenPolicy
  readonly recorder: CallRecorder
  readonly operations: readonly LocalOperation[]
  /** Why the node is not ready, or nothing. */
  notReady(): Promise<string | undefined>
  readonly log: Log
}

const PROBES = ['/healthz', '/readyz']
const NO_QUERY = new URLSearchParams()
const AS_PROBE = [localHost]
const AS_OPERATOR = [localHost, localCaller]

/** The local listener's handler: `/healthz`, `/readyz`, and the API for operators and for the node itself. */
export function createLocalHandler(options: LocalOptions) {
  const { configuration, policy, recorder, log } = options
  const asNode = [localHost, peerCarrier, ...tokenGuards<LocalContext>(policy.mode, [localCaller])]
  const audiences = [`https://${configuration.host}`]

  const serve = async (
    request: IncomingMessage,
    response: ServerResponse,
    connection: TlsConnection,
  ): Promise<void> => {
    const startedAt = performance.now()
    // A target that is no URL (`//`) is no path of ours.
    const url = URL.parse(request.url ?? '/', 'https://local') ?? new URL('https://local')
    const path = segmentsOf(url.pathname)
    const there = options.operations.filter((operation) => path !== undefined && matches(operation, path))
    const method = methodOf(request)
    const operation = there.find((one) => one.method === method)
    const action = operation?.action ?? 'node:read'
    const context: LocalContext = {
      ...callContext(request, connection, {
        policy,
        host: configuration.host,
        audiences,
        scope: isForOperators(action) ? 'node:read' : action,
      }),
      operators: configuration.operators,
      operatorsOnly: isForOperators(action),
    }
    const isProbe = method === 'GET' && PROBES.includes(url.pathname)
    // What only operators may do is refused to everybody else before their token is looked at.
    const order = isProbe ? AS_PROBE : isOperator(context) || context.operatorsOnly ? AS_OPERATOR : asNode
    const refused = await firstRefusal<LocalContext>(order, context)
    if (refused !== undefined) {
      recorder.refused(context, action, refused, startedAt)
      return answerRefusal(request, response, configuration.host, refused.refusal)
    }
    if (isProbe) return await answerProbe(response, url.pathname, options)
    try {
      const route = { operation, method, allow: there.map((one) => one.method) }
      const answer = await answerOf(route, request, path ?? [], url)
      recorder.accepted(context, action, answer.status, startedAt)
      sendJson(response, answer.status, answer.json, answer.headers)
    } catch (failure) {
      if (!(failure instanceof CallRefused)) {
        recorder.failed(context, action, 500, startedAt)
        throw failure
      }
      recorder.refused(context, action, failure, startedAt)
      answerCallRefused(request, response, failure)
    }
  }

  return (request: IncomingMessage, response: ServerResponse, connection: TlsConnection): void => {
    serve(request, response, connection).catch((failure: unknown) => {
      log.error('request-failed', failureFields(failure))
      if (response.headersSent) response.destroy()
      else sendJson(response, 500, { error: 'server_error' })
    })
  }
}

/** Probes decide nothing, so they leave no record. */
async function answerProbe(response: ServerResponse, path: string, { notReady }: LocalOptions): Promise<void> {
  if (path === '/healthz') return sendJson(response, 200, { status: 'ok' })
  const reason = await notReady()
  if (reason === undefined) sendJson(response, 200, { status: 'ready' })
  else sendJson(response, 503, { status: 'unavailable', reason }, { 'retry-after': '1' })
}

/** What is asked for, and what could be at the same path. */
interface Route {
  readonly operation: LocalOperation | undefined
  readonly method: string
  readonly allow: readonly string[]
}

async function answerOf(
  { operation, method, allow }: Route,
  request: IncomingMessage,
  path: readonly string[],
  url: URL,
): Promise<LocalAnswer> {
  const methods = allow.length === 0 ? undefined : allow
  const way = methods === undefined ? 'There is nothing at this path.' : `Use ${methods.join(', ')}.`
  pass(localRoute, { method, methods }, way)
  if (operation === undefined) throw new Error('there is no such operation')
  // Most calls have none, and to read none takes as long as to read some.
  const query = url.search === '' ? NO_QUERY : url.searchParams
  const isOnce = new Set(query.keys()).size === query.size
  pass(localQuery, { isValid: isOnce }, 'A query parameter is given more than once.')
  try {
    return await operation.run({
      path,
      query,
      body: async (schema) => valid(schema, await bodyOf(request)),
      read: (largest) => readJson(request, largest),
    })
  } catch (failure) {
    const isKept = !(failure instanceof StorageUnavailable)
    pass(localStorage, { isKept }, 'The storage takes no writes; nothing was changed.')
    throw failure
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  try {
    return await readJson(request)
  } catch (failure) {
    if (!(failure instanceof BodyRefused)) throw failure
    pass(localBody, { unreadable: failure.refusal, isValid: false }, 'The request body is refused.')
    return undefined
  }
}

function answerCallRefused(
  request: IncomingMessage,
  response: ServerResponse,
  { refusal, description }: CallRefused,
): void {
  const headers = {
    ...(refusal.allow === undefined ? {} : { allow: allowed(refusal.allow) }),
    ...(refusal.retryAfter === undefined ? {} : { 'retry-after': String(refusal.retryAfter) }),
    // Unread body bytes would be taken for the next request.
    ...(request.complete ? {} : { connection: 'close' }),
  }
  const body = { error: refusal.error ?? 'invalid_request', error_description: description }
  sendJson(response, refusal.status ?? 400, body, headers)
}

function segmentsOf(pathname: string): string[] | undefined {
  const [empty, version, ...segments] = pathname.split('/')
  if (empty !== '' || version !== 'v1' || segments.length === 0) return undefined
  try {
    return segments.map(decodeURIComponent)
  } catch {
    return undefined
  }
}

function matches(operation: LocalOperation, path: readonly string[]): boolean {
  return (
    operation.path.length === path.length &&
    operation.path.every((segment, at) => segment === '*' || segment === path[at])
  )
}
