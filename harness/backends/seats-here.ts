import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import net, { type Socket } from 'node:net'
import { join } from 'node:path'
import { demandSeatPath, type Ending, pass } from '../agent/seat-server.ts'

/**
 * Brings the seats of machines here: one socket for each node, and whatever is said on it is said there.
 *
 * @param name of the folder of the sockets, in that of the run
 * @throws HoldfastError `HOLDFAST_SEAT_PATH`
 */
export async function seatsHere(
  folder: string,
  nodes: readonly string[],
  reach: (node: string) => Promise<Ending>,
  name = 'seats',
): Promise<AsyncDisposable & { pathOf(node: string): string }> {
  const seats = join(folder, name)
  const pathOf = (node: string) => join(seats, node)
  for (const node of nodes) demandSeatPath(pathOf(node))
  await mkdir(seats, { mode: 0o700 })
  const streams = new Set<Socket>()
  const servers = nodes.map((node) => {
    const bring = async (here: Socket) => {
      streams.add(here)
      here.once('close', () => streams.delete(here))
      here.on('error', () => {})
      const there = await reach(node).catch(() => undefined)
      if (there === undefined) here.destroy()
      else pass(here, there)
    }
    return net
      .createServer({ allowHalfOpen: true, pauseOnConnect: true }, (here) => void bring(here))
      .listen(pathOf(node))
  })
  await Promise.all(servers.map((server) => once(server, 'listening')))
  return {
    pathOf,
    async [Symbol.asyncDispose]() {
      for (const server of servers) server.close()
      for (const stream of streams) stream.destroy()
    },
  }
}
