import type { Presented } from '../../credentials/parts.ts'
import { type Endpoint, patience } from '../endpoint.ts'
import type { Frame, Session } from '../session.ts'
import { type Connection, open } from './connection.ts'
import type { NatsOptions, Seen } from './index.ts'
import { loginLine, loginOf } from './login.ts'
import type { NatsRequest } from './request.ts'

/** Where an answer is waited for, below the prefix of whoever asks. */
const inbox = (prefix = '_INBOX') => `${prefix}.holdfast`

/** The one subscription of a call: an answer, or what is subscribed to. */
const sid = 1
/** A server that ends a connection does so at once; it is waited for no longer than a starved machine may take. */
const endsWithinMs = 2_000

/** Logs in and does what is asked for; what is seen is filled in as it goes. */
export async function converse(
  to: Endpoint,
  presented: Presented,
  request: NatsRequest,
  options: NatsOptions,
  seen: Seen,
): Promise<void> {
  const connection = await open(to, options.raw)
  const signal = AbortSignal.timeout(patience(to))
  seen.conn = connection.conn
  try {
    await said(connection, loginLine(loginOf(presented, connection.info.nonce, options.connect)), options, signal)
    seen.isIn = connection.isOpen && connection.errors.length === 0
    if (seen.isIn) await acted(connection, request, options, signal)
    if (!seen.isIn && connection.errors.length > 0) await settled(connection, patience(to, endsWithinMs))
    seen.body = answerOf(connection.frames, request)
    if (seen.isIn && connection.isOpen) seen.session = sessionOf(connection)
  } finally {
    Object.assign(seen, { error: connection.errors[0] ?? null, isOpen: connection.isOpen })
    Object.assign(seen, { sent: connection.sent, came: connection.came })
    // Whoever was told why is not told by the end of the connection.
    if (connection.errors.length === 0 && connection.failure) seen.failure = failureOf(connection.failure)
    if (seen.session === undefined) connection.close()
  }
}

/** The login, and then whether it was taken; in bytes of the test's own, if need be. */
async function said(connection: Connection, line: string, { raw }: NatsOptions, signal: AbortSignal): Promise<void> {
  connection.write(...(raw?.bytes(line) ?? [line]))
  await connection.answered(signal)
}

/** What the action is about. Whoever is refused here stays connected. */
async function acted(
  connection: Connection,
  { publish, subscribe, ask, queue, reply, inbox: prefix, data = '' }: NatsRequest,
  { headers = [] }: NatsOptions,
  signal: AbortSignal,
): Promise<void> {
  if (subscribe !== undefined) {
    connection.write(`SUB ${[subscribe, queue, sid].filter(isSaid).join(' ')}\r\n`)
  }
  if (ask !== undefined) connection.write(`SUB ${inbox(prefix)} ${sid}\r\n`)
  const published = ask ?? publish
  if (published !== undefined) {
    const back = ask === undefined ? reply : inbox(prefix)
    connection.write(publishing({ subject: published, reply: back, data, headers }))
  }
  if (subscribe ?? published) await connection.answered(signal)
  const isRefused = () => connection.errors.length > 0
  if (ask !== undefined) await connection.until(() => isRefused() || connection.frames.length > 0, signal)
}

/** The lines of one message; with headers where it has some. */
export function publishing({
  subject,
  reply,
  data,
  headers = [],
}: {
  subject: string
  reply?: string | undefined
  data: string
  headers?: NonNullable<NatsOptions['headers']>
}): string {
  const size = Buffer.byteLength(data)
  if (headers.length === 0) return `PUB ${[subject, reply, size].filter(isSaid).join(' ')}\r\n${data}\r\n`
  const lines = `NATS/1.0\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
  const before = Buffer.byteLength(lines)
  return `HPUB ${[subject, reply, before, before + size].filter(isSaid).join(' ')}\r\n${lines}${data}\r\n`
}

function isSaid(part: string | number | undefined): boolean {
  return part !== undefined
}

/** A login that was refused ends with its connection; who keeps it open is seen by that. */
async function settled(connection: Connection, withinMs: number): Promise<void> {
  await connection.until(() => false, AbortSignal.timeout(withinMs)).catch(() => {})
}

function answerOf([first]: readonly Frame[], { ask }: NatsRequest): string {
  return ask === undefined || first === undefined ? '' : String(first.data)
}

function failureOf(failure: Error) {
  return { code: String((failure as NodeJS.ErrnoException).code ?? failure.name), message: failure.message }
}

/** A connection that is in: what is delivered to it are its frames; `{ publish, data, reply }` and `{ subscribe, queue, sid }` are sent. */
function sessionOf(connection: Connection): Session {
  const ended = connection.closed.then(() => {
    const reason = connection.errors.at(-1)
    // The protocol has texts for it, and no codes.
    return { code: reason === undefined ? 1006 : 0, reason: reason ?? '', at: Date.now() }
  })
  return {
    frames: connection.frames,
    ended,
    send: (frame) => connection.write(frame instanceof Uint8Array ? frame : spoken(frame as SentFrame)),
    ping: () => connection.write('PING\r\n'),
    async close() {
      connection.close()
      await ended
    },
  }
}

interface SentFrame {
  readonly publish?: string
  readonly reply?: string
  readonly data?: string
  readonly headers?: NatsOptions['headers']
  readonly subscribe?: string
  readonly queue?: string
  readonly sid?: number
}

function spoken({ publish, subscribe, queue, sid: id = 2, data = '', ...more }: SentFrame): string {
  if (publish !== undefined) return publishing({ subject: publish, data, ...more })
  return `SUB ${[subscribe, queue, id].filter(isSaid).join(' ')}\r\n`
}
