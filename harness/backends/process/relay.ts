import { once } from 'node:events'
import net, { type Socket } from 'node:net'

/**
 * A TCP relay that can cut off whoever comes from some address. Nothing is looked at, nothing changed. What is under way is held
 * back in the buffers of both sides for as long as the cut lasts, and arrives when it is over, as TCP would send it again
 * (RFC 9293 section 3.8.1): neither side hears of the cut.
 */
export interface Relay extends AsyncDisposable {
  /** Connections that it carries now. */
  readonly carried: number
  /** Nothing passes any more between `from` and the far end, and nothing new begins. */
  cut(from: string): void
  /** All passes again; connections that were tried meanwhile and came to nothing are gone. */
  heal(): void
}

/** One carried connection: both of its halves. */
type Carried = readonly [near: Socket, far: Socket]

const MOST_CARRIED = 1_000

/**
 * Listens `at` an address of the run, and leads `to` another one from the address of whoever came.
 *
 * @throws the error of the system where the address is taken
 */
export async function openRelay(at: { address: string; port: number }, to: string): Promise<Relay> {
  const carried = new Set<Carried>()
  const early = new Set<Socket>()
  const away = new Set<string | undefined>()

  const isCut = (near: Socket): boolean => away.has(near.remoteAddress)
  const carry = (near: Socket): void => {
    const far = net.connect({ host: to, port: at.port, localAddress: near.remoteAddress, allowHalfOpen: true })
    const both: Carried = [near, far]
    carried.add(both)
    for (const half of both) {
      const other = half === near ? far : near
      half.on('error', () => {})
      half.once('close', () => {
        carried.delete(both)
        // A half that ends while the other one is cut off cannot say so yet.
        if (!isCut(near)) other.destroy()
        else early.add(other)
      })
    }
    pass(both)
  }

  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
    if (carried.size >= MOST_CARRIED) near.destroy()
    else if (isCut(near)) {
      near.on('error', () => {})
      early.add(near)
    } else carry(near)
  })
  server.listen(at.port, at.address)
  await once(server, 'listening')

  return {
    get carried() {
      return carried.size
    },
    cut(from) {
      away.add(from)
      for (const both of carried) if (isCut(both[0])) hold(both)
    },
    heal() {
      away.clear()
      for (const socket of early) socket.destroy()
      early.clear()
      for (const both of carried) pass(both)
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of [...[...carried].flat(), ...early]) socket.destroy()
      await server[Symbol.asyncDispose]()
    },
  }
}

function pass(both: Carried): void {
  hold(both)
  const [near, far] = both
  near.pipe(far)
  far.pipe(near)
}

/** Whoever does not read leaves the bytes where they are: in the buffers of the system. */
function hold([near, far]: Carried): void {
  near.unpipe(far)
  far.unpipe(near)
  near.pause()
  far.pause()
}
