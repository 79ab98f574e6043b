import type { ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'

/** One answer of a scripted issuer. */
export type IssuerAnswer =
  /** `body` is sent as it is if it is a text or bytes, else as JSON. Default: 200 `application/json`. */
  | {
      readonly status?: number
      readonly type?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: unknown
    }
  /** Takes the request and never says a word. */
  | 'silence'
  /** Cuts the connection instead of answering. */
  | 'cut'
  /** Says what an honest issuer would, one byte every 100 ms. */
  | 'drip'

const dripEveryMs = 100

/** Answers that no client may take for one, whatever it asked for: by name. */
export const uselessAnswers = {
  'a redirect to another host': { status: 301, headers: { location: 'https://evil.test/' } },
  'a page of HTML': { type: 'text/html', body: '<html><body>Welcome</body></html>' },
  'a server error': { status: 500, body: { error: 'server_error' } },
  'ten megabytes': { body: { padding: 'x'.repeat(10_485_760) } },
  'half of a JSON text': { body: '{"keys":[{"kty"' },
  'an array': { body: [] },
  'a slow drip': 'drip',
  silence: 'silence',
  'a cut connection': 'cut',
} as const satisfies Readonly<Record<string, IssuerAnswer>>

/** Sends an answer; `honest` is what drips. */
export function sendAnswer(response: ServerResponse, answer: IssuerAnswer, honest: unknown): void {
  // A caller that gives up is what is wanted of it.
  response.on('error', () => {})
  if (answer === 'silence') return
  if (answer === 'cut') return void response.socket?.destroy()
  if (answer === 'drip') return void drip(response, JSON.stringify(honest)).catch(() => {})
  const { status = 200, type = 'application/json', headers, body = '' } = answer
  response.writeHead(status, { 'content-type': type, ...headers })
  response.end(typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body))
}

async function drip(response: ServerResponse, text: string): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  for (let at = 0; at < text.length && !response.destroyed; at += 1) {
    await wait(dripEveryMs)
    response.write(text.slice(at, at + 1))
  }
  response.end()
}
