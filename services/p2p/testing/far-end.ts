import { createServer as createPlain, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTls } from 'node:https'
import type { AddressInfo } from 'node:net'

/** A request as it came. */
export interface Heard {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A server that is no node, or does what a node would not: it answers as a test says, and keeps what it heard. */
export interface FarEnd extends AsyncDisposable {
  readonly port: number
  readonly heard: Heard[]
  answer: (heard: Heard, response: ServerResponse) => void
}

/** `tls`: PEM texts; without them it speaks plain HTTP. */
export async function farEnd(tls?: { cert: string; key: string }, address = '127.0.0.1'): Promise<FarEnd> {
  const heard: Heard[] = []
  const end: { answer: FarEnd['answer'] } = { answer: (_, response) => void response.writeHead(404).end() }
  const listener = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = '', url = '', headers } = request
    const one = { method, url, headers, body: Buffer.concat(chunks).toString() }
    heard.push(one)
    end.answer(one, response)
  }
  const server: Server = tls ? createTls(tls, listener) : createPlain(listener)
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  return Object.assign(end, {
    heard,
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  })
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}
