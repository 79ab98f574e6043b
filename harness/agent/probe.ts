import type { Probe } from '../topology/plan.ts'
import { readTls, request } from './https-request.ts'

/** The node as a probe sees it: templates filled, names resolved. */
export interface ProbeContext {
  address: string
  hosts: Readonly<Record<string, string>>
  fill: (template: string) => string
}

const FIRST_PAUSE_MS = 2
const LONGEST_PAUSE_MS = 50
const ONE_PROBE_MS = 2_000

/**
 * Probes until the unit is ready: often at first, as most programs need tens of milliseconds, less often later.
 * Rejects with the last answer once `signal` is aborted.
 */
export async function probeUntilReady(probe: Probe, context: ProbeContext, signal: AbortSignal): Promise<void> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.3, LONGEST_PAUSE_MS)) {
    const last = await probeOnce(probe, context)
    if (last === undefined) return
    await new Promise((resolve) => setTimeout(resolve, pause))
    if (signal.aborted) throw new Error(last)
  }
}

/** Why the unit is not ready, or undefined when it is. */
async function probeOnce(probe: Probe, context: ProbeContext): Promise<string | undefined> {
  try {
    if ('http' in probe) return await probeHttp(probe.http, context)
    return await probeTcp(context.address, probe.tcp.port)
  } catch (cause) {
    return describe(cause)
  }
}

async function probeHttp(http: HttpProbe, context: ProbeContext): Promise<string | undefined> {
  const url = context.fill(http.url)
  const { ca, cert, key } = http.tls ?? {}
  const filled = (file: string | undefined) => (file === undefined ? undefined : context.fill(file))
  const tls =
    ca === undefined ? undefined : () => readTls({ ca: context.fill(ca), cert: filled(cert), key: filled(key) })
  const address = http.address ?? context.hosts[new URL(url).hostname]
  const answer = await request({ method: 'GET', url, address, tls, timeoutMs: ONE_PROBE_MS })
  if (http.expect?.includes(answer.status) === false) {
    return `${url} answered ${answer.status} instead of ${http.expect.join(' or ')}: ${answer.text.slice(0, 200)}`
  }
  return lifeLeft(http.minimumValiditySeconds, answer.certificate?.valid_to, url)
}

type HttpProbe = Extract<Probe, { http: unknown }>['http']

function lifeLeft(minimum: number | undefined, validTo: string | undefined, url: string): string | undefined {
  if (minimum === undefined) return undefined
  const left = validTo === undefined ? 0 : Math.floor((Date.parse(validTo) - Date.now()) / 1000)
  if (left >= minimum) return undefined
  return `the certificate of ${url} is valid for ${left} s more, and ${minimum} s are demanded`
}

async function probeTcp(address: string, port: number): Promise<string | undefined> {
  const { connect } = await import('node:net')
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: ONE_PROBE_MS })
    const done = (answer?: string) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => done())
    socket.once('timeout', () => done(`${address}:${port} did not answer within ${ONE_PROBE_MS} ms`))
    socket.once('error', (cause) => done(describe(cause)))
  })
}

function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const code = (cause as NodeJS.ErrnoException).code
  return code === undefined || cause.message.includes(code) ? cause.message : `${code}: ${cause.message}`
}
