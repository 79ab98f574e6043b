import type { Duplex } from 'node:stream'
import { type Endpoint, patience } from '../endpoint.ts'
import { connectPlain, describe, type Failure, reach, timedOut, tried } from '../tls/connect.ts'
import { writeApart } from '../tls/handshake.ts'
import { type Answer, noAnswer } from './exchange.ts'
import { type RawAnswer, readAnswers } from './raw-answers.ts'

/** Bytes to send, in the segments in which they are sent. Of a TLS connection each segment is a record of its own. */
export type Segments = readonly (string | Uint8Array)[]

export interface RawRequest {
  /** One after the other: each is sent when the one before was answered. Segments that come by and by leave as they come. */
  readonly steps: readonly (Segments | AsyncIterable<string>)[]
  /** Sent over TCP as it is, without any TLS. */
  readonly isPlain?: boolean
  /** Read on, though all steps were answered: until all of these texts came, or the far end has closed or the time is over. */
  readonly until?: readonly string[] | 'closed'
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
  const signal = AbortSignal.timeout(patience(endpoint))
  const seen: Heard = { conn: '', bytes: Buffer.alloc(0), isClosed: true }
  const { bytes, failure, ...heard } = await tried(seen, async (heard) => {
    let socket: Duplex
    if (request.isPlain) ({ stream: socket, conn: heard.conn } = await connectPlain(endpoint, signal))
    else ({ socket, conn: heard.conn } = await reach(endpoint))
    try {
      await converse(socket, heard, request, signal)
    } finally {
      socket.destroy()
    }
  })
  const answers = readAnswers(bytes, heard.isClosed)
  const { status, headers, body } = answers.at(-1) ?? noAnswer
  return {
    ...{ ...heard, status, headers, body, answers, text: bytes.toString('latin1') },
    // An end without an answer has a reason; one after an answer is how such a connection ends.
    failure: answers.length > 0 ? undefined : (failure ?? { code: 'closed', message: 'no answer came' }),
  }
}

interface Heard {
  conn: string
  bytes: Buffer
  isClosed: boolean
  failure?: Failure
}

/** Fills in what is heard. Answers what resolves with the next bytes, or the end. */
function hear(socket: Duplex, heard: Heard): () => Promise<void> {
  let tell = () => {}
  const over = () => {
    heard.isClosed = true
    tell()
  }
  heard.isClosed = false
  socket.on('data', (chunk: Buffer) => {
    heard.bytes = Buffer.concat([heard.bytes, chunk]).subarray(0, mostBytes)
    tell()
  })
  socket.on('error', (problem) => {
    heard.failure = describe(problem)
  })
  socket.once('end', over)
  socket.once('close', over)
  return () =>
    new Promise((resolve) => {
      tell = resolve
    })
}

async function converse(socket: Duplex, heard: Heard, request: RawRequest, signal: AbortSignal): Promise<void> {
  const { steps, until = [] } = request
  const more = hear(socket, heard)
  const untilHeard = async (isEnough: () => boolean) => {
    while (!heard.isClosed && !isEnough()) await Promise.race([more(), timedOut(signal)])
  }
  for (const [at, segments] of steps.entries()) {
    if (heard.isClosed) return
    // What is wrong with the connection shows in what is heard: a far end that closes early may have answered before.
    await writeApart(socket, segments).catch(() => {})
    await untilHeard(() => readAnswers(heard.bytes, heard.isClosed).filter(isOver).length > at)
  }
  if (until === 'closed') await untilHeard(() => false).catch(() => {})
  else await untilHeard(() => until.every((text) => heard.bytes.includes(text)))
}

function isOver({ isWhole, status }: RawAnswer): boolean {
  return isWhole || status === 101
}
