import type { ScenarioSite } from 'holdfast/vitest'

// Requests of any form to a node of the cluster, each over a connection of its own, from the address of another one.

export interface Asking {
  readonly to: string
  /** Where that is not the port of its node. */
  readonly port?: number
  /** Through nginx. */
  readonly through?: 'edge'
  readonly method?: string
  /** As it is sent. */
  readonly path: string
  /** For `Authorization: Bearer`. */
  readonly token?: string | undefined
  /** Header lines as they are, in order; each character is a byte. */
  readonly headers?: readonly (readonly [string, string])[]
  readonly json?: unknown
  readonly body?: string
  /** A client certificate: files of the node that asks. */
  readonly identity?: { readonly cert: string; readonly key: string }
  /** What comes of a stream is gathered for so long, or until it ends. */
  readonly forMs?: number
}

export interface Reply {
  /** Null: the connection ended without an answer. */
  readonly status: number | null
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
  /** `address:port` of the caller. */
  readonly conn: string
  readonly ms: number
  readonly failure?: string
  /** When what is streamed ended, in ms after it began; absent where it goes on. */
  readonly endedAfterMs?: number
}

const program = `
  const https = require('node:https')
  const { readFileSync } = require('node:fs')
  const read = (path) => path && readFileSync(path)
  function ask({ host, port, localAddress, method, path, headers, body, identity, forMs, timeoutMs }, ca) {
    return new Promise((resolve) => {
      const began = performance.now()
      const reply = { status: null, headers: {}, body: '', conn: '' }
      const done = (more) => resolve({ ...reply, ms: performance.now() - began, ...more })
      const tls = { ca, cert: read(identity?.cert), key: read(identity?.key), servername: host }
      const request = https.request({ ...tls, host, port, localAddress, method, path, headers, agent: false, timeout: timeoutMs })
      request.on('socket', (socket) => socket.on('secureConnect', () => {
        reply.conn = socket.localAddress + ':' + socket.localPort
      }))
      request.on('timeout', () => request.destroy(new Error('no answer in time')))
      request.on('error', (failure) => done({ failure: failure.code ?? failure.message }))
      request.on('response', (response) => {
        Object.assign(reply, { status: response.statusCode, headers: response.headers })
        response.setEncoding('latin1')
        response.on('data', (text) => (reply.body += text))
        response.on('end', () => done({ endedAfterMs: performance.now() - began }))
        response.on('error', (failure) => done({ failure: failure.code ?? failure.message, endedAfterMs: performance.now() - began }))
        if (forMs !== undefined) setTimeout(() => { done({}); request.destroy() }, forMs)
      })
      request.end(body && Buffer.from(body, 'latin1'))
    })
  }
  const chunks = []
  process.stdin.on('data', (chunk) => chunks.push(chunk)).on('end', async () => {
    const { ca, requests, atOnce } = JSON.parse(Buffer.concat(chunks).toString())
    const replies = []
    for (let at = 0; at < requests.length; at += atOnce) {
      replies.push(...(await Promise.all(requests.slice(at, at + atOnce).map((one) => ask(one, read(ca))))))
    }
    process.stdout.write(JSON.stringify(replies))
  })`

/** Sends requests, so many at once, and answers in the same order. */
export async function askAll(
  site: ScenarioSite,
  asked: readonly Asking[],
  { from = 'operator', atOnce = 1 }: { from?: string; atOnce?: number } = {},
): Promise<Reply[]> {
  const node = site.node(from)
  const requests = asked.map((one) => onWire(site, node.address, one))
  const input = JSON.stringify({ ca: `${node.dir}/anchors/cluster.pem`, requests, atOnce })
  const { code, stdout, stderr } = await node.exec(['node', '-e', program], { input, timeoutMs: site.bound(120_000) })
  if (code !== 0) throw new Error(`asking from ${from} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as Reply[]
}

export async function ask(site: ScenarioSite, asked: Asking, from?: string): Promise<Reply> {
  const [reply] = await askAll(site, [asked], from === undefined ? {} : { from })
  return reply!
}

function onWire(site: ScenarioSite, localAddress: string, asked: Asking) {
  const { to, through, method = 'GET', path, token, headers = [], json, identity, forMs } = asked
  const body = asked.body ?? (json === undefined ? undefined : Buffer.from(JSON.stringify(json)).toString('latin1'))
  const isTyped = headers.some(([name]) => name.toLowerCase() === 'content-type')
  const { port = through === undefined && to === 'orc-3' ? 8771 : 8770 } = asked
  const lines = [
    ...(token === undefined ? [] : [['Authorization', `Bearer ${token}`]]),
    ...(body === undefined || isTyped ? [] : [['Content-Type', 'application/json']]),
    ...(body === undefined ? [] : [['Content-Length', String(body.length)]]),
    ...headers,
  ]
  const { host } = site.node(through ?? to)
  const own = [['Host', `${host}:${port}`], ['Connection', 'close'], ...lines]
  return {
    host,
    port,
    localAddress,
    method,
    path,
    headers: own.flat(),
    body,
    identity,
    forMs,
    timeoutMs: site.bound(20_000),
  }
}
