import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { z } from 'zod'
import { guard, type Refusal } from '../../shared/guard.ts'
import { BodyRefused, readJson } from '../../shared/http-json.ts'
import { hostRefusal } from '../../shared/own-host.ts'
import { isUuid } from '../ids.ts'
import type { Position } from '../wire/cursor.ts'
import { type ErrorCode, refused } from '../wire/errors.ts'

/** A request, and the names by which this server is called, in lower case. */
export interface Addressed {
  readonly request: IncomingMessage
  readonly names: readonly string[]
}

/** RFC 9110 section 7.4: by its `Host` and, where there is one, by the name that its handshake asked for. */
export const httpAuthority = guard<Addressed>('http.authority', ['authority_mismatch'], ({ request, names }) => {
  const { servername } = request.socket as TLSSocket
  const isOursByName = !servername || names.includes(servername.toLowerCase())
  const isOurs = isOursByName && hostRefusal(request, names) === undefined
  return isOurs ? undefined : refused('misdirected_request', 'authority_mismatch')
})

export const httpDeadline = guard<{ isOver: boolean }>('http.deadline', ['deadline_exceeded'], ({ isOver }) =>
  isOver ? refused('dependency_unavailable', 'deadline_exceeded') : undefined,
)

/** What a request carries, on its way; `value` is set when the body passed, `position` when its cursor did. */
export interface Carried {
  readonly request: IncomingMessage
  readonly largest: number
  /** Undefined for a verb that takes no body: none is read then. */
  readonly schema?: z.ZodType
  /** Whether none at all counts as `{}`. */
  readonly mayBeAbsent?: boolean
  /** The id in the path, where there is one. */
  readonly id?: string
  /** Reads the cursor in a body that passed: null where it is of another query or grant, undefined where there is none. */
  readonly cursor?: (value: never) => Position | null | undefined
  value?: unknown
  position?: Position | undefined
}

export const httpBody = guard<Carried>(
  'http.body',
  ['content_type', 'body_too_large', 'body_malformed', 'body_schema', 'id_malformed', 'cursor_invalid'],
  async (carried) => {
    if (carried.id !== undefined && !isUuid(carried.id)) return refused('invalid_request', 'id_malformed')
    if (carried.schema !== undefined) {
      const read = await readBody(carried)
      if (read.refusal !== undefined) return read.refusal
      const checked = carried.schema.safeParse(read.value)
      if (!checked.success) return refused('invalid_request', 'body_schema')
      carried.value = checked.data
    }
    const position = carried.cursor?.(carried.value as never)
    if (position === null) return refused('invalid_request', 'cursor_invalid')
    carried.position = position
    return undefined
  },
)

const BODY_REFUSALS: Readonly<Record<string, readonly [code: ErrorCode, reason: string]>> = {
  media_type_unsupported: ['unsupported_media_type', 'content_type'],
  body_too_large: ['payload_too_large', 'body_too_large'],
}

/** Reads a JSON body for guards with reasons of their own, too. */
export async function readBody({
  request,
  largest,
  mayBeAbsent = false,
}: Pick<Carried, 'request' | 'largest' | 'mayBeAbsent'>): Promise<{ value?: unknown; refusal?: Refusal }> {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers
  if (mayBeAbsent && length === '0' && encoding === undefined) return { value: {} }
  try {
    return { value: await readJson(request, largest) }
  } catch (failure) {
    if (!(failure instanceof BodyRefused)) throw failure
    const [code, reason] = BODY_REFUSALS[failure.refusal.reason] ?? ['invalid_request', 'body_malformed']
    return { refusal: refused(code, reason) }
  }
}
