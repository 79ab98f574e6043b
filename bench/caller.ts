import { Pool } from 'undici'
import { type LoadResult, load } from './load.ts'
import type { NodeIdentity } from './site.ts'

export interface Target {
  address: string
  host: string
  port: number
}

export interface Call {
  method: 'GET' | 'POST' | 'PUT'
  path: string
  headers: Record<string, string>
  body?: string
  /** Default: 200. */
  status?: number
}

/** Sends one call over mutual TLS, and answers its body. Rejects for another status than the call says. */
export async function callOnce(target: Target, caller: Partial<NodeIdentity>, call: Call): Promise<string> {
  const pool = poolOf(target, caller, 1)
  try {
    return await send(pool, target, call)
  } finally {
    await pool.destroy()
  }
}

/**
 * Sends `count` calls, equal ones or each made anew, over `connections` connections that stay open, one call at a time on each. The handshakes lie before
 * the clock starts: what they cost is measured as session set-up. undici takes half the processor time that node:https
 * takes, so that the server is what the calls wait for, and not this process.
 */
export async function loadWith(
  target: Target,
  caller: Partial<NodeIdentity>,
  call: Call | (() => Call),
  { count, connections }: { count: number; connections: number },
): Promise<LoadResult> {
  const pool = poolOf(target, caller, connections)
  const one = async () => void (await send(pool, target, typeof call === 'function' ? call() : call))
  try {
    await load(one, { count: connections, width: connections })
    return await load(one, { count, width: connections })
  } finally {
    await pool.destroy()
  }
}

/** Connections of one caller; whoever gets them destroys them. */
export function poolOf({ address, host, port }: Target, caller: Partial<NodeIdentity>, connections: number): Pool {
  // Each connection proves itself with a whole handshake, as our servers demand.
  const connect = { ...caller, servername: host, maxCachedSessions: 0 }
  return new Pool(`https://${address}:${port}`, { connections, pipelining: 1, connect, headersTimeout: 5_000 })
}

/** Answers the body. Rejects for another status than the call says. */
export async function send(
  pool: Pool,
  { host, port }: Target,
  { headers, status = 200, ...call }: Call,
): Promise<string> {
  const { statusCode, body } = await pool.request({ ...call, headers: { ...headers, host: `${host}:${port}` } })
  const text = await body.text()
  if (statusCode === status) return text
  throw new Error(`${call.method} https://${host}:${port}${call.path} answered ${statusCode}: ${text.slice(0, 200)}`)
}
