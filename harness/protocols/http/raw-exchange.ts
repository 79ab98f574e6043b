import type { Duplex } from 'node:stream'
import { HoldfastError } from '../../errors.ts'
import type { Endpoint } from '../endpoint.ts'
import { connect, connectPlain, defaultTimeoutMs, describe, HandshakeFailed } from '../tls/connect.ts'
import { writeApart } from '../tls/handshake.ts'
import type { Answer } from './exchange.ts'
import { type RawAnswer, readAnswers } from './raw-answers.ts'

/** Bytes to send, in the segments in which they are sent. Of a TLS connection each segment is a record of its own. */
export type Segments = readonly (string | Uint8Array)[]

export interface RawRequest {
  /** One after the other: each is sent when the one before was answered. */
  readonly steps: readonly Segments[]
  /** Sent over TCP as it is, without any TLS. */
  readonly isPlain?: boolean
  /** Read on until the far end closes or the time is over, though all steps were answered: to see what else comes. */
  readonly untilClosed?: boolean
  /** Read on, after the last answer, until all of these texts came. */
  readonly untilTexts?: readonly string[]
}

/** What the caller saw: the last answer as one of a call, and all of them. */
export interface RawExchange extends Answer {
  readonly answers: readonly RawAnswer[]
  /** Whether the far end closed the connection. */
  readonly isClosed: boolean
  /** All that came, as text in latin1, up to the limit. */
  readonly text: string
}

const mostBytes = 262_144

/** Sends bytes as they are given over a connection of its own, and reads whatever comes back: nothing, one answer, several. */
export async function rawExchange(endpoint: Endpoint, request: RawRequest): Promise<RawExchange> {
  const began = performance.now()
  const signal = AbortSignal.timeout(endpoint.timeoutMs ?? defaultTimeoutMs)
  let conn = ''
  let failure: Answer['failure']
  let heard: Hearing | undefined
  try {
    let socket: Duplex
    if (request.isPlain) ({ stream: socket, conn } = await connectPlain(endpoint, signal))
    else ({ socket, conn } = await connect(endpoint))
    heard = hear(socket)
    try {
      await converse(socket, heard, request, signal)
    } finally {
      socket.destroy()
    }
  } catch (problem) {
    if (problem instanceof HoldfastError) throw problem
    if (problem instanceof HandshakeFailed) conn = problem.conn
    failure = describe(problem)
  }
  const { bytes, isClosed } = heard ?? { bytes: Buffer.alloc(0), isClosed: true }
  const answers = readAnswers(bytes, isClosed)
  const last = answers.at(-1)
  return {
    conn,
    status: last?.status ?? null,
    headers: last?.headers ?? [],
    body: last?.body ?? '',
    // An end without an answer has a reason; one after an answer is how such a connection ends.
    failure:
      last === undefined ? (failure ?? heard?.failure ?? { code: 'closed', message: 'no answer came' }) : undefined,
    answers,
    isClosed,
    text: bytes.toString('latin1'),
    ms: performance.now() - began,
  }
}

interface Hearing {
  bytes: Buffer
  isClosed: boolean
  failure?: Answer['failure']
  /** Resolves with the next bytes, or the end. */
  more(signal: AbortSignal): Promise<void>
}

function hear(socket: Duplex): Hearing {
  let tell = () => {}
  const heard: Hearing = {
    bytes: Buffer.alloc(0),
    isClosed: false,
    more: (signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted()
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        tell = resolve
      }),
  }
  socket.on('data', (chunk: Buffer) => {
    heard.bytes = Buffer.concat([heard.bytes, chunk]).subarray(0, mostBytes)
    tell()
  })
  socket.on('error', (problem) => {
    heard.failure = describe(problem)
  })
  const over = () => {
    heard.isClosed = true
    tell()
  }
  socket.once('end', over)
  socket.once('close', over)
  return heard
}

async function converse(socket: Duplex, heard: Hearing, request: RawRequest, signal: AbortSignal): Promise<void> {
  const { steps, untilClosed = false, untilTexts = [] } = request
  for (const [at, segments] of steps.entries()) {
    if (heard.isClosed) return
    // What is wrong with the connection shows in what is heard: a far end that closes early may have answered before.
    await writeApart(socket, segments).catch(() => {})
    const isAnswered = () => readAnswers(heard.bytes, heard.isClosed).filter(isOver).length > at
    await untilHeard(heard, isAnswered, signal)
  }
  const isEnough = () => !untilClosed && untilTexts.every((text) => heard.bytes.includes(text))
  await untilHeard(heard, isEnough, signal).catch((problem) => {
    if (!untilClosed) throw problem
  })
}

async function untilHeard(heard: Hearing, isEnough: () => boolean, signal: AbortSignal): Promise<void> {
  while (!heard.isClosed && !isEnough()) await heard.more(signal)
}

function isOver({ isWhole, status }: RawAnswer): boolean {
  return isWhole || status === 101
}
