import { addAbortListener, once } from 'node:events'
import net, { type Socket } from 'node:net'
import type { Failure } from '../agent/protocol.ts'
import { firstLine, type SeatRequest } from '../agent/seat-server.ts'
import { HoldfastError } from '../errors.ts'
import { OpenStreams, type Seat, untilConnected } from '../protocols/seat.ts'

/** There is no seat on a node. Code `HOLDFAST_SEAT_GONE`. */
export class SeatGone extends HoldfastError {
  constructor(path: string, cause: unknown) {
    super('HOLDFAST_SEAT_GONE', `nobody serves the seat ${path}; is the agent of its node still there?`, { cause })
  }
}

/** A seat at an address of a node, which its agent serves on a socket at `path`: for nodes whose addresses this machine does not have. */
export function agentSeat(path: string, address: string): Seat {
  return {
    address,
    async connect(to, signal) {
      const connect = { address: to.address, port: to.port, from: address }
      const { stream, answer } = await ask<{ conn: string }>(path, { connect }, signal)
      return { stream, conn: answer.conn }
    },
    async listen(onConnection, wanted = 0) {
      const { stream: asking, answer } = await ask<{ port: number }>(path, { listen: { port: wanted, address } })
      const streams = new OpenStreams()
      const take = async (accept: number) => {
        const { stream } = await ask(path, { accept })
        streams.add(stream)
        onConnection(stream)
      }
      const takeAll = async () => {
        for (;;) void take(((await firstLine(asking)) as { accept: number }).accept).catch(() => {})
      }
      // Over with the connection.
      takeAll().catch(() => {})
      const close = async () => {
        streams.drop()
        asking.end()
        if (!asking.closed) await once(asking, 'close')
      }
      return { address, port: answer.port, drop: () => streams.drop(), [Symbol.asyncDispose]: close }
    },
  }
}

type Answered<Answer> = { stream: Socket; answer: Answer }

async function ask<Answer>(path: string, request: SeatRequest, signal?: AbortSignal): Promise<Answered<Answer>> {
  const stream = net.connect({ path })
  using _ = signal && addAbortListener(signal, () => stream.destroy())
  const answer = await answered<Answer & { failure?: Failure }>(stream, request, signal).catch((cause: unknown) => {
    stream.destroy()
    signal?.throwIfAborted()
    // A seat that ends is no word of whoever was called from it.
    throw new SeatGone(path, cause)
  })
  if (answer.failure === undefined) return { stream, answer }
  stream.destroy()
  throw Object.assign(new Error(answer.failure.message), { code: answer.failure.code })
}

async function answered<Answer>(stream: Socket, request: SeatRequest, signal?: AbortSignal): Promise<Answer> {
  await untilConnected(stream, signal)
  stream.write(`${JSON.stringify(request)}\n`)
  return (await firstLine(stream)) as Answer
}
