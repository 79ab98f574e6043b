import type { Refusal } from '../../shared/guard.ts'

/** Which of the two listeners answers: their texts and challenges differ, and nothing else of a refusal does. */
export type Listener = 'public' | 'federation'

/** Every error code that a caller can see, with its status. `forbidden` and `scope_violation` share one, as do some others. */
export const STATUS_OF = {
  invalid_request: 400,
  peer_mismatch: 400,
  unauthorized: 401,
  invalid_token: 401,
  forbidden: 403,
  scope_violation: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  gone: 410,
  payload_too_large: 413,
  unsupported_media_type: 415,
  misdirected_request: 421,
  invalid_csr: 422,
  invalid_scope: 422,
  invalid_certificate: 422,
  rate_limited: 429,
  internal: 500,
  peer_unavailable: 503,
  dependency_unavailable: 503,
} as const

export type ErrorCode = keyof typeof STATUS_OF
export const ERROR_CODES = Object.keys(STATUS_OF) as readonly ErrorCode[]

/** What is wrong with a document, member by member. For administrators and those who enrol only: 400 and 422. */
export interface Issue {
  /** `filters.tasks.include_teams.0`; empty for the document itself. */
  readonly path: string
  readonly message: string
}

export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode
    readonly message: string
    readonly requestId: string
    readonly details?: readonly Issue[]
    readonly retryAfterSeconds?: number
  }
}

/** One text for each status: which of a listener's checks refused is in its decision log, and nowhere else. */
const TEXTS: Readonly<Record<number, string>> = {
  400: 'The request is malformed.',
  403: 'Access is refused.',
  404: 'There is no such thing here.',
  405: 'The method is not allowed here.',
  409: 'The request does not fit the present state.',
  410: 'This is no longer available.',
  413: 'The request is too large.',
  415: 'The media type is not supported.',
  421: 'The request was sent to the wrong host.',
  422: 'The content of the request is not acceptable.',
  429: 'There are too many requests.',
  500: 'Something went wrong here.',
  503: 'The service is not available at the moment.',
}
const UNAUTHORIZED: Readonly<Record<Listener, string>> = {
  federation: 'A usable client certificate is required.',
  public: 'A valid bearer token is required.',
}

export function messageOf(status: number, listener: Listener): string {
  return status === 401 ? UNAUTHORIZED[listener] : (TEXTS[status] ?? 'The request is refused.')
}

/** A refusal by one of the codes above, whose status it has. `reason` goes to the decision log only. */
export function refused(error: ErrorCode, reason: string, retryAfter?: number): Refusal & { status: number } {
  return { reason, status: STATUS_OF[error], error, ...(retryAfter !== undefined && { retryAfter }) }
}

export interface Answering {
  readonly listener: Listener
  readonly requestId: string
  readonly details?: readonly Issue[]
  /** Seconds, for 429 and 503: rounded up, and at least one (RFC 9110 section 10.2.3 knows whole seconds). */
  readonly retryAfter?: number
}

/** Status, headers and body of a refusal. `details` are left out where the status is neither 400 nor 422, and on the federation listener. */
export function errorAnswer(
  code: ErrorCode,
  { listener, requestId, details, retryAfter }: Answering,
): { status: number; headers: Record<string, string>; body: ErrorBody } {
  const status = STATUS_OF[code]
  const seconds = status === 429 || status === 503 ? Math.max(1, Math.ceil(retryAfter ?? 1)) : undefined
  const isDetailed = details !== undefined && listener === 'public' && (status === 400 || status === 422)
  return {
    status,
    headers: {
      ...(status === 401 && { 'www-authenticate': challenge(code, listener) }),
      ...(seconds !== undefined && { 'retry-after': String(seconds) }),
    },
    body: {
      error: {
        code,
        message: messageOf(status, listener),
        requestId,
        ...(isDetailed && { details }),
        ...(status === 429 && { retryAfterSeconds: seconds }),
      },
    },
  }
}

/** RFC 9110 section 11.6.1. RFC 6750 section 3.1: who presented no token at all is told no error. */
function challenge(code: ErrorCode, listener: Listener): string {
  if (listener === 'federation') return 'ClientCertificate realm="federation"'
  return code === 'invalid_token' ? 'Bearer realm="gateway", error="invalid_token"' : 'Bearer realm="gateway"'
}
