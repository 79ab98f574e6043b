import { once } from 'node:events'
import { WebSocket } from 'ws'
import { startBaseline } from './baseline.ts'
import { load } from './load.ts'
import type { Bench } from './main.ts'
import { interleave, type Measure } from './measure.ts'
import { benchSite, identityOf, listenerOf, type NodeIdentity, tokenOf } from './site.ts'

const sessionsARound = 60

export const bench: Bench = {
  summary: 'time until the first frame of a peering session, against bare ws over mutual TLS',
  async run() {
    return [await measure('jwks', 1.6), await measure('both', 3)]
  },
}

async function measure(validation: string, atMost: number): Promise<Measure> {
  await using site = await benchSite('shared-auth', { validation })
  // Its sessions and ours would replace each other.
  await site.node('node-b').stop()
  const caller = await identityOf(site, 'cert-node-b', 'somebiz')
  await using baseline = await startBaseline('bare-web-socket', await identityOf(site, 'cert-node-a', 'somebiz'))
  const target = listenerOf(site, 'node-a', 'peering')
  const token = await tokenOf(site, 'node-b')
  // Awaited here: the site and the baseline are released when this function returns.
  return await interleave(
    `session set-up p50, mode ${validation}`,
    () => p50({ ...target, address: '127.0.0.1', port: baseline.port }, caller),
    () => p50(target, caller, token),
    { bar: { atMost }, rounds: 7 },
  )
}

async function p50(target: Target, caller: NodeIdentity, token?: string): Promise<number> {
  const result = await load(() => session(target, caller, token), { count: sessionsARound, width: 1 })
  return result.p50
}

type Target = ReturnType<typeof listenerOf>

/** A whole TLS handshake each time: no session is resumed, since each call has a socket and no agent. */
async function session({ address, host, port }: Target, caller: NodeIdentity, token?: string): Promise<void> {
  const options: WebSocket.ClientOptions & { servername: string } = {
    ...caller,
    servername: host,
    perMessageDeflate: false,
    handshakeTimeout: 5_000,
    headers: { Host: `${host}:${port}`, ...(token ? { Authorization: `Bearer ${token}` } : {}) },
  }
  const socket = new WebSocket(`wss://${address}:${port}/v1/peering`, 'holdfast-peering.v1', options)
  const [frame] = await once(socket, 'message', { signal: AbortSignal.timeout(5_000) })
  if (JSON.parse(String(frame)).type !== 'open') throw new Error(`the first frame was ${String(frame)}`)
  socket.terminate()
}
