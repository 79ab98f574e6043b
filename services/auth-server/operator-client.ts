import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'

export interface OperatorCall {
  /** `https://host:port` of the operator listener. */
  url: string
  /** Paths of PEM files. */
  cert: string
  key: string
  ca: string
  method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** Below `/operator/v1`. */
  path: string
  query?: Record<string, string | undefined>
  body?: unknown
  /** File with the body; `-` is standard input. */
  bodyFile?: string
}

const TIMEOUT_MS = 10_000

/** Makes one call. Prints the answer on stdout, or why there is none on stderr; answers the exit code. */
export async function callOperator(call: OperatorCall): Promise<number> {
  try {
    const { status, answer } = await exchange(call)
    const isGood = status >= 200 && status < 300
    if (isGood) {
      if (answer !== '') process.stdout.write(`${JSON.stringify(JSON.parse(answer), null, 2)}\n`)
      return 0
    }
    process.stderr.write(`auth-server: ${call.method} ${call.path} was refused: ${status} ${answer}\n`)
  } catch (failure) {
    process.stderr.write(`auth-server: ${call.url} could not be called: ${(failure as Error).message}\n`)
  }
  return 1
}

async function exchange(call: OperatorCall): Promise<{ status: number; answer: string }> {
  const url = new URL(`/operator/v1${call.path}`, call.url)
  if (url.protocol !== 'https:') throw new Error('the URL must be https')
  for (const [name, value] of Object.entries(call.query ?? {}))
    if (value !== undefined) url.searchParams.set(name, value)
  const body = call.bodyFile === undefined ? call.body && JSON.stringify(call.body) : await readBody(call.bodyFile)
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: call.method,
      cert: readFileSync(call.cert),
      key: readFileSync(call.key),
      ca: readFileSync(call.ca),
      // Said outright, for Node's default can be turned off by an environment variable (NODE_TLS_REJECT_UNAUTHORIZED).
      rejectUnauthorized: true,
      agent: false,
      timeout: TIMEOUT_MS,
      headers: body ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(String(body)) } : {},
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
    outgoing.on('error', reject)
    outgoing.on('response', (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode ?? 0, answer }), reject)
    })
    outgoing.end(body)
  })
}

function readBody(file: string): Promise<string> | string {
  return file === '-' ? text(process.stdin) : readFileSync(file, 'utf8')
}
