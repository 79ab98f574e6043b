import type { Server } from 'node:http'
import type { Server as TlsServer } from 'node:https'

const LOOK_FOR_IDLE_MS = 50

/** Has a server listen. @throws what the system says, EADDRINUSE say */
export function listenAt(server: Server | TlsServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog: 1024 }, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

/** Takes no more connections, and ends those that are there: idle ones at once, others when they are, all of them after `graceMs`. */
export function closeWithin(server: Server | TlsServer, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), graceMs)
    // Node would keep those that are busy now for as long as any other, once they are not.
    const idle = setInterval(() => server.closeIdleConnections(), LOOK_FOR_IDLE_MS)
    server.close(() => {
      clearTimeout(force)
      clearInterval(idle)
      resolve()
    })
    server.closeIdleConnections()
  })
}
