import type { Choices } from '../random.ts'
import { mutateBytes, mutateText } from './mutate.ts'

/** One HTTP/1.1 request before it is written out. */
export interface Draft {
  method: string
  target: string
  headers: (readonly [name: string, value: string])[]
  body: Buffer
}

/** The request as it is sent when nobody breaks it. */
export function written({ method, target, headers, body }: Draft): Buffer {
  const lines = headers.map(([name, value]) => `${name}: ${value}`)
  const head = [`${method} ${target} HTTP/1.1`, ...lines, '', ''].join('\r\n')
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

export function draft(host: string, method: string, target: string, body?: { type: string; text: string }): Draft {
  const bytes = Buffer.from(body?.text ?? '')
  const about: Draft['headers'] =
    body === undefined
      ? []
      : [
          ['Content-Type', body.type],
          ['Content-Length', String(bytes.length)],
        ]
  return { method, target, headers: [['Host', host], ...about], body: bytes }
}

/** Breaks a request in its method, its target, its header lines, or anywhere in its bytes. */
export function mutantRequest(choices: Choices, request: Draft): Buffer {
  const mutated = { ...request, headers: [...request.headers] }
  for (let left = 1 + choices.below(2); left > 0; left -= 1) choices.pick(OPERATIONS)(choices, mutated)
  const bytes = written(mutated)
  return choices.chance(0.2) ? mutateBytes(choices, bytes) : bytes
}

type Operation = (choices: Choices, request: Draft) => void

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY', 'get', 'PROPFIND', 'FOO']
const TARGETS = [
  '/',
  '//',
  '/.',
  '/../v1/state',
  '*',
  '?',
  '/v1/%',
  '/v1/%ff',
  '/v1/peers/%2e%2e',
  '/%00',
  'https://evil.test/',
]
const ADDED: readonly (readonly [string, string])[] = [
  ['Host', 'evil.test'],
  ['Host', ''],
  ['Content-Length', '5'],
  ['Content-Length', '-1'],
  ['Content-Length', '99999999999999999999'],
  ['Transfer-Encoding', 'chunked'],
  ['Transfer-Encoding', 'xchunked'],
  ['Expect', '100-continue'],
  ['Expect', 'nonsense'],
  ['Connection', 'upgrade, close, authorization'],
  ['Upgrade', 'websocket'],
  ['Upgrade', 'h2c'],
  ['Authorization', 'Bearer'],
  ['Authorization', 'Basic eDp5'],
  ['Authorization', 'Bearer a.b.c'],
  ['Content-Type', 'text/plain'],
  ['Content-Encoding', 'gzip'],
  ['Range', 'bytes=0-99999999999'],
  ['X-Client-Cert', 'x'.repeat(3_000)],
  ['Cookie', 'x'.repeat(17_000)],
  ['traceparent', '00-zz-00'],
  ['Accept', '*/*;'.repeat(500)],
  ['Name with blanks', '1'],
  ['Folded', 'one\r\n two'],
  ['Null', 'a\u0000b'],
]

const OPERATIONS: readonly Operation[] = [
  (choices, request) => {
    request.method = choices.chance(0.7) ? choices.pick(METHODS) : mutateText(choices, request.method)
  },
  (choices, request) => {
    request.target = choices.chance(0.4) ? choices.pick(TARGETS) : mutateText(choices, request.target)
  },
  (choices, request) => {
    const [name, value] = choices.pick(QUERIES)
    const times = choices.chance(0.1) ? 2 : 1
    request.target += `${request.target.includes('?') ? '&' : '?'}${`${name}=${value}&`.repeat(times)}`
  },
  (choices, { headers }) => {
    headers.splice(choices.below(headers.length + 1), 0, choices.pick(ADDED))
  },
  (choices, { headers }) => {
    headers.splice(choices.below(headers.length), 1)
  },
  (choices, { headers }) => {
    const at = choices.below(headers.length)
    const [name, value] = headers[at] ?? ['', '']
    headers[at] = choices.chance(0.5) ? [mutateText(choices, name), value] : [name, mutateText(choices, value)]
  },
  (choices, request) => {
    request.body = mutateBytes(choices, request.body)
  },
]

const QUERIES: readonly (readonly [string, string])[] = [
  ['limit', '0'],
  ['limit', '1001'],
  ['limit', '1e3'],
  ['limit', '5'],
  ['cursor', '-1'],
  ['cursor', '999999999999999'],
  ['cursor', 'AAAA'],
  ['subject', '%27%20OR%201=1--'],
  ['subject', 'x'.repeat(3_000)],
  ['san', '*'],
  ['x5t', '%00'],
  ['state', 'active'],
  ['state', '__proto__'],
  ['domain', 'c.test'],
  ['access_token', 'a.b.c'],
  ['__proto__', '1'],
  ['%', '%zz'],
]
