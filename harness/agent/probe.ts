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
    return await probeTcp(probe.tcp, context)
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

type TcpProbe = Extract<Probe, { tcp: unknown }>['tcp']

/** What a program answers to a greeting is read up to here. */
const LONGEST_ANSWER = 4_096

function probeTcp(tcp: TcpProbe, context: UnitContext): Promise<string | undefined> {
  const { port, greeting, answer = '' } = tcp
  const { address = context.address } = fillJson(tcp, context, `${context.ref}: readiness`)
  const place = `${address}:${port}`
  const timeout = ONE_PROBE_MS * (context.settings.slowness ?? 1)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port })
    let heard = ''
    const late = setTimeout(() => done('did not answer', ` within ${timeout} ms`), timeout)
    function done(what?: string, when = '') {
      clearTimeout(late)
      socket.destroy()
      if (what === undefined) resolve(undefined)
      else
        resolve(
          heard === '' ? `${place} ${what}${when}` : `${place} did not answer as it must${when}: ${readable(heard)}`,
        )
    }
    socket.once('connect', () => (greeting === undefined ? done() : socket.write(Buffer.from(greeting, 'base64'))))
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1')
      if (greeting !== undefined && new RegExp(answer, 's').test(heard)) done()
      else if (heard.length > LONGEST_ANSWER) done('')
    })
    socket.once('end', () => done('ended without an answer'))
    socket.once('error', (cause) => {
      clearTimeout(late)
      reject(cause)
    })
  })
}

/** Bytes that are mostly text, for people. */
function readable(bytes: string): string {
  return bytes
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 200)
}

function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const known = plainly(cause)
  if (known !== undefined) return known
  const code = (cause as NodeJS.ErrnoException).code
  return code === undefined || cause.message.includes(code) ? cause.message : `${code}: ${cause.message}`
}
