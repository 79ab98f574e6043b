import type { IncomingMessage, ServerResponse } from 'node:http'
import { type TokenPolicy, tokenGuards } from '../shared/bound-token.ts'
import { firstRefusal } from '../shared/guard.ts'
import { BodyRefused, readJson, sendJson } from '../shared/http-json.ts'
import { failureFields, type Log } from '../shared/log.ts'
import { StorageUnavailable } from '../shared/sqlite.ts'
import type { TlsConnection } from '../shared/tls-listener.ts'
import { callContext } from './call-context.ts'
import { answerRefusal, type CallRecorder } from './call-record.ts'
import type { Configuration } from './config.ts'
import { isOperator, type LocalContext, localCaller } from './guards/local-caller.ts'
import { localHost } from './guards/local-host.ts'
import { peerCarrier } from './guards/peer-carrier.ts'

/** What a handler is given once the caller was let in. */
interface LocalCall {
  /** Path segments after `/v1`, decoded. */
  readonly path: readonly string[]
  readonly query: URLSearchParams
  /** The JSON body, read under strict rules. Rejects with `BodyRefused`. */
  body(): Promise<unknown>
}

export interface LocalAnswer {
  readonly status: number
  readonly json?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** One call of the local API. */
export interface LocalOperation {
  readonly method: string
  /** Segments after `/v1`; `*` stands for any one. */
  readonly path: readonly string[]
  readonly action: 'node:read' | 'node:routes' | 'peers:write'
  run(call: LocalCall): LocalAnswer | Promise<LocalAnswer>
}

export interface LocalOptions {
  readonly configuration: Configuration
  readonly policy: TokenPolicy
  readonly recorder: CallRecorder
  readonly operations: readonly LocalOperation[]
  /** Why the node is not ready, or nothing. */
  notReady(): Promise<string | undefined>
  readonly log: Log
}

/** An error answer of an operation. */
export function problem(status: number, error: string, description: string): LocalAnswer {
  return { status, json: { error, error_description: description } }
}

const PROBES = ['/healthz', '/readyz']
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
    const operation = there.find(({ method }) => method === request.method)
    const action = operation?.action ?? 'node:read'
    const context: LocalContext = {
      ...callContext(request, connection, {
        policy,
        host: configuration.host,
        audiences,
        scope: action === 'peers:write' ? 'node:read' : action,
      }),
      operators: configuration.operators,
      operatorsOnly: action === 'peers:write',
    }
    const isProbe = request.method === 'GET' && PROBES.includes(url.pathname)
    // What only operators may do is refused to everybody else before their token is looked at.
    const order = isProbe ? AS_PROBE : isOperator(context) || context.operatorsOnly ? AS_OPERATOR : asNode
    const refused = await firstRefusal<LocalContext>(order, context)
    if (refused !== undefined) {
      recorder.refused(context, action, refused, startedAt)
      return answerRefusal(request, response, configuration.host, refused.refusal)
    }
    if (isProbe) return await answerProbe(response, url.pathname, options)
    const answer = await answerOf(operation, there, request, path ?? [], url.searchParams)
    recorder.accepted(context, action, answer.status, startedAt)
    sendJson(response, answer.status, answer.json, answer.headers)
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

async function answerOf(
  operation: LocalOperation | undefined,
  there: readonly LocalOperation[],
  request: IncomingMessage,
  path: readonly string[],
  query: URLSearchParams,
): Promise<LocalAnswer> {
  if (operation === undefined) {
    if (there.length === 0) return problem(404, 'not_found', 'There is nothing at this path.')
    const allow = there.map(({ method }) => method).join(', ')
    return { ...problem(405, 'method_not_allowed', `Use ${allow}.`), headers: { allow } }
  }
  if (new Set(query.keys()).size !== query.size) {
    return problem(400, 'invalid_request', 'A query parameter is given more than once.')
  }
  try {
    return await operation.run({ path, query, body: () => readJson(request) })
  } catch (failure) {
    if (failure instanceof BodyRefused) {
      return problem(failure.refusal.status ?? 400, failure.refusal.reason, 'The request body is refused.')
    }
    if (failure instanceof StorageUnavailable) {
      return problem(503, 'storage_unavailable', 'The storage takes no writes; nothing was changed.')
    }
    throw failure
  }
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
