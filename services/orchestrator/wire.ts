import { z } from 'zod'

/** The WebSocket subprotocol. */
export const SUBPROTOCOL = 'holdfast-peering.v1'
export const PATH = '/v1/peering'
export const LARGEST_MESSAGE = 256 * 1024
/** `open` must come within this, counted from the upgrade. */
export const OPEN_WITHIN_MS = 5_000

/** `code` of a `close` message, and the WebSocket close code beside it. */
export const CLOSE_CODES = {
  shutdown: 1001,
  too_large: 1009,
  protocol_error: 4400,
  token_ended: 4401,
  forbidden: 4403,
  hold_expired: 4408,
  session_replaced: 4409,
  peer_removed: 4410,
  certificate_ended: 4412,
  limit: 4413,
  auth_unavailable: 4503,
} as const
export type CloseCode = keyof typeof CLOSE_CODES

/** Visible characters without blanks: names are joined to keys, and shown to people. Their lengths are `route.limit`'s business. */
const visible = z.string().regex(/^[!-~]+$/)
const key = { domain: visible, name: visible }
const announce = z.strictObject({
  op: z.literal('announce'),
  ...key,
  protocol: z.enum(['http', 'http2', 'grpc', 'graphql', 'tcp']),
  endpoint: visible,
  path: z.array(z.string().min(1)).min(1),
})
const withdraw = z.strictObject({ op: z.literal('withdraw'), ...key })

const sequence = z.int().min(1)
/** One JSON object per text frame. Sizes of routes are the business of guard `route.limit`. */
export const messageSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('open'),
    version: z.int(),
    node: z.string().min(1).max(63),
    holdTimeMs: z.int().min(3_000).max(600_000),
    session: z.uuid(),
  }),
  z.strictObject({ type: z.literal('keepalive'), seq: sequence, refused: z.int().min(0).default(0) }),
  z.strictObject({
    type: z.literal('update'),
    seq: sequence,
    routes: z.array(z.discriminatedUnion('op', [announce, withdraw])).max(1_000),
    endOfSync: z.boolean().optional(),
  }),
  z.strictObject({ type: z.literal('close'), code: z.string().min(1).max(64) }),
])

export type Message = z.output<typeof messageSchema>
export type OpenMessage = Extract<Message, { type: 'open' }>
export type UpdateMessage = Extract<Message, { type: 'update' }>
export type RouteEntry = UpdateMessage['routes'][number]
export type Announcement = Extract<RouteEntry, { op: 'announce' }>
