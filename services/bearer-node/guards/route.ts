import type { IncomingMessage } from 'node:http'
import { guard, type Refusal } from '../../shared/guard.ts'
import { type BodyLimits, hasBody, readBody } from '../listener/body.ts'
import { parseJson } from '../listener/json.ts'
import type { Target } from '../listener/route-table.ts'

/** A request whose caller may ask. What the guard reads of it is left here. */
export interface Routing {
  readonly target: Target
  readonly request: Pick<IncomingMessage, 'headers'> & IncomingMessage
  readonly limits: BodyLimits
  query?: URLSearchParams
  body?: Buffer
  /** Of a route with a schema. */
  json?: { readonly value: unknown }
}

const BODIES = ['POST', 'PUT']

export const bearerRoute = guard<Routing>(
  'bearer.route',
  ['route_unknown', 'method_unknown', 'input_invalid', 'body_too_large'],
  (routing) => unknown(routing.target) ?? badQuery(routing) ?? bodyRefusal(routing),
)

function unknown({ here, found }: Target): Refusal | undefined {
  if (here.length === 0) return { reason: 'route_unknown', status: 404, error: 'not_found' }
  if (found !== undefined) return undefined
  const allow = [...new Set(here.map(({ route }) => route.method))]
  return { reason: 'method_unknown', status: 405, error: 'method_not_allowed', allow }
}

const NO_QUERY = new URLSearchParams()

function badQuery(routing: Routing): Refusal | undefined {
  const { query, found } = routing.target
  if (query === '') {
    routing.query = NO_QUERY
    return undefined
  }
  const read = new URLSearchParams(query)
  const names = [...read.keys()]
  const declared = found?.route.queryNames ?? []
  const isGood = names.every((name) => declared.includes(name)) && new Set(names).size === names.length
  routing.query = read
  return isGood ? undefined : invalid(400)
}

/** Nothing waits for a request without a body. */
function bodyRefusal(routing: Routing): Refusal | undefined | Promise<Refusal | undefined> {
  const { target, request } = routing
  const schema = target.found?.route.schema
  if (!BODIES.includes(target.method) || (!hasBody(request) && schema === undefined)) return undefined
  if (hasBody(request) && !isJson(request)) return invalid(415)
  return read(routing)
}

async function read(routing: Routing): Promise<Refusal | undefined> {
  const body = await readBody(routing.request, routing.limits)
  if (body === 'large') return { reason: 'body_too_large', status: 413, error: 'body_too_large' }
  if (body === 'slow') return invalid(408)
  if (body === 'gone') return invalid(400)
  routing.body = body
  const schema = routing.target.found?.route.schema
  if (schema === undefined) return undefined
  const json = parseJson(body)
  if (json.status !== undefined) return invalid(json.status)
  const checked = schema.safeParse(json.value)
  if (!checked.success) return invalid(400)
  routing.json = { value: checked.data }
  return undefined
}

/** JSON is UTF-8 (RFC 8259 section 8.1), and nobody here takes it compressed. */
function isJson({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  const [type, ...parameters] = (headers['content-type'] ?? '').split(';').map((part) => part.trim().toLowerCase())
  const isPlain = parameters.every((parameter) => /^charset="?utf-8"?$/.test(parameter))
  return type === 'application/json' && isPlain && (headers['content-encoding'] ?? 'identity') === 'identity'
}

const ERRORS: Readonly<Record<number, string>> = {
  400: 'invalid_request',
  408: 'request_timeout',
  415: 'unsupported_media_type',
  422: 'unprocessable',
}

function invalid(status: number): Refusal {
  return { reason: 'input_invalid', status, error: ERRORS[status]! }
}
