import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Refusal } from './guard.ts'

/** A request body that must not be used. `refusal` says what to answer and what to record. */
export class BodyRefused extends Error {
  readonly refusal: Refusal & { status: number }

  constructor(status: number, reason: BodyReason) {
    super(`the request body is refused: ${reason}`)
    this.name = 'BodyRefused'
    this.refusal = { status, reason, error: 'invalid_request' }
  }
}

export type BodyReason = 'media_type_unsupported' | 'body_too_large' | 'body_malformed' | 'parameter_repeated'

/** Reason codes of `readJson`. */
export const JSON_BODY_REASONS = ['media_type_unsupported', 'body_too_large', 'body_malformed'] as const
/** Reason codes of `readForm`. */
export const FORM_BODY_REASONS = [...JSON_BODY_REASONS, 'parameter_repeated'] as const

const LARGEST_BODY = 64 * 1024
const DEEPEST_NESTING = 32

/**
 * Reads a JSON body: media type `application/json` (else 415), at most 64 KiB (else 413), UTF-8, nested at most 32 deep and
 * without a repeated member (else 400). Two parsers may disagree on which of two equal members counts (RFC 8259 section 4).
 */
export async function readJson(request: IncomingMessage, limit = LARGEST_BODY): Promise<unknown> {
  demandMediaType(request, 'application/json')
  return parseStrictJson(await readText(request, limit))
}

/**
 * Reads a form body. No parameter may be repeated except those named in `repeatable`, and one without a value is treated as left out
 * (both RFC 6749 section 3.2).
 */
export async function readForm(
  request: IncomingMessage,
  repeatable: readonly string[] = [],
  limit = LARGEST_BODY,
): Promise<URLSearchParams> {
  demandMediaType(request, 'application/x-www-form-urlencoded')
  const parameters = [...new URLSearchParams(await readText(request, limit))]
  const once = new Set<string>()
  for (const [name] of parameters) {
    if (once.has(name) && !repeatable.includes(name)) throw new BodyRefused(400, 'parameter_repeated')
    once.add(name)
  }
  return new URLSearchParams(parameters.filter(([, value]) => value !== ''))
}

/** Parses JSON text under the same rules. Throws `BodyRefused`. */
export function parseStrictJson(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new BodyRefused(400, 'body_malformed')
  }
  // First of all: unlike `JSON.parse`, `JSON.stringify` fails on what is nested some thousand deep.
  if (isDeep(text)) throw new BodyRefused(400, 'body_malformed')
  // What is written back as it came lost no member while it was read: this spares most texts the walk, which takes ten times as long.
  if (JSON.stringify(value) !== text) refuseRepeated(text)
  return value
}

/** Answers JSON. Nothing that these services answer may be kept by a cache unless `headers` says otherwise. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = body === undefined ? '' : JSON.stringify(body)
  response.writeHead(status, {
    'cache-control': 'no-store',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    'content-length': String(Buffer.byteLength(text)),
    ...headers,
  })
  response.end(text)
}

function demandMediaType(request: IncomingMessage, expected: string): void {
  const [type, ...parameters] = (request.headers['content-type'] ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase())
  const isPlain = parameters.every((parameter) => /^charset="?utf-8"?$/.test(parameter))
  const isEncoded = (request.headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity'
  if (type !== expected || !isPlain || isEncoded) throw new BodyRefused(415, 'media_type_unsupported')
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

async function readText(request: IncomingMessage, limit: number): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > limit) throw new BodyRefused(413, 'body_too_large')
  const bytes = await readBytes(request, limit)
  try {
    return strictUtf8.decode(bytes)
  } catch {
    throw new BodyRefused(400, 'body_malformed')
  }
}

/** By events: an async iterator would take longer than all else that is done with a body of this size. */
function readBytes(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const take = (chunk: Buffer): void => {
      size += chunk.length
      chunks.push(chunk)
      if (size <= limit) return
      // The socket stays: the refusal is still to be answered on it.
      request.off('data', take).pause()
      reject(new BodyRefused(413, 'body_too_large'))
    }
    request.on('data', take)
    request.once('end', () => resolve(Buffer.concat(chunks)))
    // A caller that goes away before its body has ended is no failure of ours.
    const broken = (): void => reject(new BodyRefused(400, 'body_malformed'))
    // It may have gone while the guards looked: then none of these events comes any more.
    if (request.destroyed) return broken()
    request.once('error', broken)
    request.once('close', () => {
      if (!request.readableEnded) broken()
    })
  })
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * Whether a text is nested too deep. It has to be known to be JSON: what counts are brackets outside of its texts. Character by character,
 * which is quicker than to walk the value.
 */
export function isDeep(text: string): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at += 1
      while (text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1
    } else if (code === 0x5b || code === 0x7b) {
      depth += 1
      if (depth > DEEPEST_NESTING) return true
    } else if (code === 0x5d || code === 0x7d) depth -= 1
  }
  return false
}

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs

/**
 * `JSON.parse` keeps the last of two equal members without a word, so the text is walked once more, token by token. It must be
 * known to be JSON by then: an open text would be searched for its end from each of its quotes, in quadratic time.
 */
function refuseRepeated(text: string): void {
  const open: (Set<string> | undefined)[] = []
  let last: string | undefined
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === '{' || token === '[') {
      open.push(token === '{' ? new Set() : undefined)
    } else if (token === '}' || token === ']') {
      open.pop()
    } else if (token === ':' && last !== undefined) {
      const members = open.at(-1)
      const name = decodeName(last)
      if (members?.has(name)) throw new BodyRefused(400, 'body_malformed')
      members?.add(name)
    }
    last = token.startsWith('"') ? token : undefined
  }
}

function decodeName(token: string): string {
  try {
    return JSON.parse(token) as string
  } catch {
    throw new BodyRefused(400, 'body_malformed')
  }
}
