import { once } from 'node:events'
import { chmodSync } from 'node:fs'
import net, { type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { HoldfastError } from '../errors.ts'
import { failureOf } from './protocol.ts'

/**
 * What a test asks for on the socket of a seat, in one line of JSON; the answer is a line, too. `from` and the `address` to listen at are the node's own. After `connect` and `accept`, bytes pass.
 * After `listen`, each connection that comes in is told as a line `{ accept }`; the end of the asking connection ends the listening.
 */
export type SeatRequest =
  | { connect: { address: string; port: number; from: string } }
  | { listen: { port: number; address: string } }
  | { accept: number }

/** What every system takes of a socket's path. */
const LONGEST_PATH = 103
const LONGEST_LINE = 4_096

/** There can be no socket at a path: the system takes short ones only. Code `HOLDFAST_SEAT_PATH`. */
export function demandSeatPath(path: string): void {
  const bytes = Buffer.byteLength(path)
  if (bytes <= LONGEST_PATH) return
  throw new HoldfastError(
    'HOLDFAST_SEAT_PATH',
    `the seat ${path} has a path of ${bytes} bytes, and a socket takes ${LONGEST_PATH}; set HOLDFAST_RUNTIME_DIR to a shorter one`,
  )
}

/** Lets tests call and listen from a node whose addresses are not theirs. Resolves once there is a seat at `path`. */
export async function serveSeat(path: string): Promise<void> {
  demandSeatPath(path)
  const accepted = new Map<number, Socket>()
  let count = 0

  const listen = (asking: Socket, { port, address }: { port: number; address: string }) => {
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (stream) => {
      count += 1
      accepted.set(count, stream)
      say(asking, { accept: count })
    })
    server.once('error', (cause) => refuse(asking, cause))
    server.listen(port, address, () => say(asking, { port: (server.address() as AddressInfo).port }))
    asking.once('close', () => server.close())
    asking.once('end', () => asking.end())
    asking.resume()
  }
  const connect = (asking: Socket, to: { address: string; port: number; from: string }) => {
    const options = { host: to.address, port: to.port, localAddress: to.from, allowHalfOpen: true, noDelay: true }
    const far = net.connect(options)
    const given = () => far.destroy()
    asking.once('close', given)
    far.once('error', (cause) => refuse(asking, cause))
    far.once('connect', () => {
      asking.off('close', given)
      far.removeAllListeners('error')
      say(asking, { conn: `${far.localAddress}:${far.localPort}` })
      pass(asking, far)
    })
  }
  const accept = (asking: Socket, which: number) => {
    const stream = accepted.get(which)
    accepted.delete(which)
    if (stream === undefined) return refuse(asking, new Error(`there is no connection ${which}`))
    say(asking, {})
    pass(asking, stream)
  }
  const serve = async (asking: Socket) => {
    asking.on('error', () => {})
    try {
      const request = (await firstLine(asking)) as SeatRequest
      if ('connect' in request) connect(asking, request.connect)
      else if ('listen' in request) listen(asking, request.listen)
      else accept(asking, request.accept)
    } catch (cause) {
      refuse(asking, cause)
    }
  }
  const server = net.createServer({ allowHalfOpen: true }, (asking) => void serve(asking))
  // A connection that cannot be accepted ends no seat.
  server.on('error', () => {})
  await once(server.listen(path), 'listening')
  chmodSync(path, 0o600)
}

function say(stream: Socket, answer: object): void {
  if (stream.writable) stream.write(`${JSON.stringify(answer)}\n`)
}

function refuse(stream: Socket, cause: unknown): void {
  say(stream, { failure: failureOf(cause) })
  stream.destroySoon()
}

/** What a socket has, and a stream within a line too: it ends once all that was written to it has left. */
export type Ending = Duplex & { destroySoon(): void }

/** Both ways, each until its own end. What breaks off on one side ends the other, when all that came before has left. */
export function pass(one: Ending, other: Ending): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => {})
    from.once('close', () => to.destroySoon())
    from.pipe(to)
  }
}

/** The first line of a stream, as JSON; what follows stays in it. Rejects where the stream ends before. */
export async function firstLine(stream: Duplex): Promise<unknown> {
  let line = ''
  for (;;) {
    const chunk = stream.read() as Buffer | null
    if (chunk === null) {
      await untilMore(stream, 'it ended before its first line')
      continue
    }
    const end = chunk.indexOf('\n')
    line += chunk.toString('utf8', 0, end < 0 ? undefined : end)
    if (line.length > LONGEST_LINE) throw new Error(`a first line of more than ${LONGEST_LINE} characters`)
    if (end < 0) continue
    if (end + 1 < chunk.length) stream.unshift(chunk.subarray(end + 1))
    return JSON.parse(line)
  }
}

/** Resolves when there is more to read; rejects with a message of the caller where the stream has ended, or ends before. */
export function untilMore(stream: Duplex, message: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = () => done(() => reject(new Error(message)))
    const more = () => done(resolve)
    const done = (settle: () => void) => {
      stream.off('readable', more)
      for (const event of ['end', 'close']) stream.off(event, over)
      settle()
    }
    stream.on('readable', more)
    for (const event of ['end', 'close']) stream.on(event, over)
    if (stream.destroyed || stream.readableEnded) over()
  })
}
