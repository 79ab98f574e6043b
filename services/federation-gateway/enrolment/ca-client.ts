import type { X509Certificate } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { type Call, type CallAnswer, CallFailed, call, createCallAgent } from '../calls/https-call.ts'
import { isJson, jsonOf } from '../calls/json.ts'
import { LARGEST_LIST } from '../certificates/crl.ts'
import { type Serial, serialToDecimal } from '../serial.ts'
import { CaError, LARGEST_ANSWER, readSignAnswer } from './ca-answer.ts'
import { revokingToken, type Signer, signingToken, type ToSign } from './one-time-token.ts'

/** One step-ca. */
export interface CaClient {
  /** Whether it has said in the last 5 s that it is well; asks it where nobody has. Never throws. */
  isReady(): Promise<boolean>
  /** The chain that it issues for a CSR, leaf first, and unjudged. `seconds`: how long it is to be good from now. @throws CaError */
  sign(csrPem: string, to: ToSign, seconds: number): Promise<X509Certificate[]>
  /** Passive: it says so in its list. One that was revoked before is revoked. @throws CaError */
  revoke(serial: Serial, reason: string): Promise<void>
  /** A list of revoked certificates, unjudged. @throws CaError */
  list(url: string): Promise<Buffer>
  close(): void
}

export interface CaClientOptions {
  readonly signer: Signer
  /** PEM of the pinned root: the only anchor. */
  readonly rootPem: string
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly connectMs?: number
  readonly deadlineMs?: number
  readonly idleMs?: number
}

const CONNECT_MS = 2_000
const DEADLINE_MS = 5_000
/** A CA is asked whether it is well, to sign, to revoke and for its list at once: over one connection, which nobody ends in so short a time. */
const IDLE_MS = 1_000
const HEALTH_COUNTS_MS = 5_000
/** At most two, and a CA that is being started again is up by the second. */
const RETRY_AFTER_MS = [100, 400]
const UNAUTHORIZED = 401
const OK = 200

const health = z.object({ status: z.literal('ok') })
const alreadyRevoked = z.object({ message: z.string().regex(/already revoked/i) })

export function createCaClient(options: CaClientOptions): CaClient {
  const { signer, rootPem, now = Date.now } = options
  const { connectMs = CONNECT_MS, deadlineMs = DEADLINE_MS, idleMs = IDLE_MS } = options
  const kept = { maxSockets: 8, keepAlive: true, idleMs }
  const agent = createCallAgent({ ca: [rootPem], minVersion: 'TLSv1.2', ...kept })
  const ask = (about: Pick<Call, 'method' | 'url' | 'body' | 'largest'>, until = performance.now() + deadlineMs) =>
    askUntil({ ...about, agent, connectMs, deadlineMs }, until)

  /** A CA that was started anew refuses what is older than that: so one that refuses a token gets another one, once, and later than it. */
  const askWithToken = async (
    path: string,
    mint: (now: number) => Promise<string>,
    body: object,
  ): Promise<CallAnswer> => {
    const until = performance.now() + deadlineMs
    const send = async (minted: number) => {
      const text = JSON.stringify({ ...body, ott: await mint(minted) })
      return ask({ method: 'POST', url: `${signer.caUrl}${path}`, body: text, largest: LARGEST_ANSWER }, until)
    }
    const minted = now()
    const answer = await send(minted)
    if (answer.status !== UNAUTHORIZED) return answer
    // Tokens count whole seconds: one of the same second would be as old.
    const next = minted + 1_000 - (minted % 1_000)
    await pause(Math.max(0, next - now()))
    // A timer may end a moment before its time.
    return send(Math.max(next, now()))
  }

  let lastHealthy = Number.NEGATIVE_INFINITY
  let asking: Promise<boolean> | undefined
  const askHealth = async (): Promise<boolean> => {
    try {
      const answer = await ask({ method: 'GET', url: `${signer.caUrl}/health`, largest: LARGEST_ANSWER })
      const isWell = answer.status === OK && isJson(answer) && health.safeParse(jsonOf(answer.body)).success
      if (isWell) lastHealthy = performance.now()
      return isWell
    } catch (failure) {
      if (failure instanceof CaError) return false
      throw failure
    } finally {
      asking = undefined
    }
  }

  return {
    async isReady() {
      if (performance.now() - lastHealthy < HEALTH_COUNTS_MS) return true
      asking ??= askHealth()
      return asking
    },
    async sign(csrPem, to, seconds) {
      const body = { csr: csrPem, notAfter: `${seconds}s` }
      const answer = await askWithToken('/1.0/sign', (at) => signingToken(signer, to, at), body)
      return readSignAnswer({ ...answer, contentType: answer.headers['content-type'] })
    },
    async revoke(serial, reason) {
      const body = { serial: serialToDecimal(serial), reason, reasonCode: 0, passive: true }
      const answer = await askWithToken('/1.0/revoke', (at) => revokingToken(signer, serial, at), body)
      const content = isJson(answer) ? jsonOf(answer.body) : undefined
      if (answer.status === 400 && alreadyRevoked.safeParse(content).success) return
      if (answer.status >= 400)
        throw new CaError('CA_REFUSED', `the CA answered a request to revoke with ${answer.status}`)
      if (answer.status !== OK || !health.safeParse(content).success) {
        throw new CaError('CA_BAD_ANSWER', 'the CA answered a request to revoke with what is no confirmation')
      }
    },
    async list(url) {
      const { status, body } = await ask({ method: 'GET', url, largest: LARGEST_LIST })
      if (status === OK) return body
      throw new CaError(
        'CA_BAD_ANSWER',
        `the CA answered a request for its list of revoked certificates with ${status}`,
      )
    },
    close: () => agent.destroy(),
  }
}

/** Again, at most twice, where there was no connection: then nobody has got anything of it. */
async function askUntil(about: Call, until: number): Promise<CallAnswer> {
  for (let retries = 0; ; retries += 1) {
    const deadlineMs = Math.max(1, until - performance.now())
    try {
      return await call({
        ...about,
        deadlineMs,
        connectMs: Math.min(about.connectMs, deadlineMs),
        headers: {
          accept: 'application/json',
          ...(about.body !== undefined && { 'content-type': 'application/json' }),
        },
      })
    } catch (failure) {
      if (!(failure instanceof CallFailed)) throw failure
      const waitMs = RETRY_AFTER_MS[retries]
      const isAgain = failure.kind === 'unreachable' && waitMs !== undefined && performance.now() + waitMs < until
      if (!isAgain) throw caErrorOf(failure)
      await pause(waitMs)
    }
  }
}

function caErrorOf({ kind, message }: CallFailed): CaError {
  const what = `the CA at ${message}`
  if (kind === 'late') return new CaError('CA_TIMEOUT', what)
  if (kind === 'too-large' || kind === 'encoded' || kind === 'ended') return new CaError('CA_BAD_ANSWER', what)
  return new CaError('CA_UNREACHABLE', what)
}
