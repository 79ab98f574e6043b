import { request } from 'node:https'
import { type ClientOptions, WebSocket } from 'ws'
import type { TestIdentity } from '../../shared/testing/certificates.ts'

/** What came back, whatever it was. `tls`: the connection died before any HTTP answer. */
export interface CallResult {
  outcome: 'accepted' | 'refused' | 'tls'
  status?: number
  challenge?: string
  retryAfter?: string
  json?: Record<string, unknown>
  socket?: WebSocket
  first?: Record<string, unknown>
  conn?: string
}

export interface Caller {
  identity?: TestIdentity
  ca: string
  host: string
  port: number
  /** Where the call comes from. Default: 127.0.0.1. */
  from?: string
}

/** Upgrades at the peering listener; resolves with the first frame, or with the refusal. */
export function connectPeering(
  { identity, ca, host, port, from }: Caller,
  token: string | undefined,
  change: { path?: string; protocol?: string; headers?: Record<string, string | string[]>; host?: string } = {},
): Promise<CallResult> {
  return new Promise((resolve, reject) => {
    let conn = ''
    const options: ClientOptions & { servername: string } = {
      servername: host,
      localAddress: from,
      ca,
      cert: identity?.cert,
      key: identity?.key,
      perMessageDeflate: false,
      handshakeTimeout: 8_000,
      headers: {
        host: change.host ?? `${host}:${port}`,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(change.headers as Record<string, string>),
      },
    }
    const url = `wss://127.0.0.1:${port}${change.path ?? '/v1/peering'}`
    const socket = new WebSocket(url, change.protocol ?? 'holdfast-peering.v1', options)
    socket.on('unexpected-response', async (_, response) => {
      conn = `${response.socket.localAddress}:${response.socket.localPort}`
      const text = await textOf(response)
      resolve({
        outcome: 'refused',
        status: response.statusCode,
        challenge: response.headers['www-authenticate'],
        retryAfter: response.headers['retry-after'],
        json: JSON.parse(text) as Record<string, unknown>,
        conn,
      })
    })
    socket.once('message', (data) => {
      resolve({ outcome: 'accepted', status: 101, socket, first: JSON.parse(String(data)) as Record<string, unknown> })
    })
    socket.once('error', (failure) => resolve({ outcome: 'tls', json: { message: failure.message } }))
    socket.once('close', (code) => reject(new Error(`closed ${code} before anything came`)))
  })
}

/** One request at the local listener. */
export function callLocal(
  { identity, ca, host, port }: Caller,
  method: string,
  path: string,
  options: { token?: string; json?: unknown; headers?: Record<string, string | string[]> } = {},
): Promise<CallResult> {
  return new Promise((resolve) => {
    const body = options.json === undefined ? undefined : JSON.stringify(options.json)
    const call = request({
      host: '127.0.0.1',
      port,
      servername: host,
      ca,
      cert: identity?.cert,
      key: identity?.key,
      method,
      path,
      agent: false,
      headers: {
        host,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        ...options.headers,
      },
    })
    call.on('response', async (response) => {
      const status = response.statusCode ?? 0
      const text = await textOf(response)
      resolve({
        outcome: status < 300 ? 'accepted' : 'refused',
        status,
        challenge: response.headers['www-authenticate'],
        json: text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>),
      })
    })
    call.on('error', (failure) => resolve({ outcome: 'tls', json: { message: failure.message } }))
    call.end(body)
  })
}

async function textOf(response: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return text
}
