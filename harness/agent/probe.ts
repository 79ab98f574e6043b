import { connect } from 'node:net'
import type { Probe } from '../topology/plan.ts'
import { readTls, request } from './https-request.ts'
import { type UnitContext, wayTo } from './node-context.ts'
import { fillJson } from './template.ts'
import { plainly } from './why-not-ready.ts'

const FIRST_PAUSE_MS = 2
const LONGEST_PAUSE_MS = 50
const ONE_PROBE_MS = 2_000
/** After a probe that took long. */
const LONGEST_REST_MS = 1_000

/**
 * Probes until the unit is ready: often at first, as most programs need tens of milliseconds, less often later.
 * Rejects with the last answer once `signal` is aborted. `onAnswer`: the program answers, if only that it is not ready yet.
 */
export async function probeUntilReady(
  probe: Probe,
  context: UnitContext,
  { signal, onAnswer }: { signal: AbortSignal; onAnswer?: () => void },
): Promise<void> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.3, LONGEST_PAUSE_MS)) {
    const began = performance.now()
    const last = await probeOnce(probe, context, onAnswer)
    if (last === undefined) return
    // Where a probe takes long, so does all that the program does: to probe without a pause would keep it from getting ready.
    const took = performance.now() - began
    await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(pause, took * 2), LONGEST_REST_MS)))
    if (signal.aborted) throw new Error(last)
  }
}

/** Why the unit is not ready, or undefined when it is. */
async function probeOnce(probe: Probe, context: UnitContext, onAnswer = () => {}): Promise<string | undefined> {
  try {
    if ('http' in probe) return await probeHttp(probe.http, context, onAnswer)
    return await probeTcp(context.address, probe.tcp.port)
  } catch (cause) {
    return describe(cause)
  }
}

type HttpProbe = Extract<Probe, { http: unknown }>['http']

async function probeHttp(http: HttpProbe, context: UnitContext, onAnswer: () => void): Promise<string | undefined> {
  const { url, tls, expect, ...probe } = fillJson(http, context, `${context.ref}: readiness`)
  const address = probe.address ?? wayTo(context, url)?.address
  const read = tls && (() => readTls(tls))
  const answer = await request({
    method: 'GET',
    url,
    address,
    tls: read,
    timeoutMs: ONE_PROBE_MS * (context.settings.slowness ?? 1),
  })
  onAnswer()
  if (expect?.includes(answer.status) === false) {
    return `${url} answered ${answer.status} instead of ${expect.join(' or ')}: ${answer.text.slice(0, 200)}`
  }
  return lifeLeft(probe.minimumValiditySeconds, answer.certificate?.valid_to, url)
}

function lifeLeft(minimum: number | undefined, validTo: string | undefined, url: string): string | undefined {
  if (minimum === undefined) return undefined
  const left = validTo === undefined ? 0 : Math.floor((Date.parse(validTo) - Date.now()) / 1000)
  if (left >= minimum) return undefined
  return `the certificate of ${url} is valid for ${left} s more, and ${minimum} s are demanded`
}

function probeTcp(address: string, port: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, timeout: ONE_PROBE_MS })
    const done = (answer?: string) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => done())
    socket.once('timeout', () => done(`${address}:${port} did not answer within ${ONE_PROBE_MS} ms`))
    socket.once('error', reject)
  })
}

function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const known = plainly(cause)
  if (known !== undefined) return known
  const code = (cause as NodeJS.ErrnoException).code
  return code === undefined || cause.message.includes(code) ? cause.message : `${code}: ${cause.message}`
}
