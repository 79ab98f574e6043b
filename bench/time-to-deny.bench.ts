import { setTimeout as delay } from 'node:timers/promises'
import type { Session } from '../harness/protocols/session.ts'
import { inspectToken } from '../harness/tokens/inspect.ts'
import type { Bench } from './main.ts'
import { compare, type Measure, median } from './measure.ts'
import { type DenyingEvent, events } from './time-to-deny/events.ts'
import { AUTH, type DenyGround, type Holder, type Life, openGround } from './time-to-deny/ground.ts'

const TIMES = 50
/** Handshakes at once; a node takes no more than 64 of one address. */
const WIDTH = 8
/** Live sessions are looked at every 4.5 s: theirs begin all over that time. */
const PHASE_MS = 4_500
/** What was asked so shortly before is answered from memory when something happens by itself. */
const WARM_MS = 400
const SKEW_MS = 30_000
/** So old may a key set grow. */
const SET_AGE_MS = 60_000
const UNREACHABLE_LIVE_MS = 30_000
const UNREACHABLE_NEW_MS = 2_000
/** Longer than any bound here: what is not denied by then never is. */
const NEVER_MS = 40_000

/** The bounds of every lifecycle event, each met or missed 50 times: the worst one counts. */
export const bench: Bench = {
  summary: `time until a holder is denied after each event, ${TIMES} times each; the baseline is the bound, the subject the worst`,
  async run() {
    const measures: Measure[] = []
    {
      await using ground = await openGround()
      for (const event of events) measures.push(...(await afterEvent(ground, event)))
      measures.push(...(await afterCertificate(ground)), ...(await afterOutage(ground)))
    }
    // In mode `both` the auth server calls a token inactive before its tolerance is over.
    await using ground = await openGround({ validation: 'jwks' })
    measures.push(...(await afterToken(ground)))
    // Nobody tells a node of these: it finds out with its next key set, or when it can have none.
    const rotate = () => ground.auth.post('/operator/v1/keys/rotate', { mode: 'immediate' })
    measures.push(...(await withKeysAlone(ground, 'key retired', 'token_ended', 65_000, rotate)))
    const stop = () => ground.site.node(AUTH).stop('auth')
    const liveMs = SET_AGE_MS + UNREACHABLE_LIVE_MS
    measures.push(...(await withKeysAlone(ground, 'auth server unreachable', 'auth_unavailable', liveMs, stop)))
    return measures
  },
}

async function afterEvent(ground: DenyGround, event: DenyingEvent): Promise<Measure[]> {
  const live: number[] = []
  const fresh: number[] = []
  const size = event.denies === 'one' ? TIMES : TIMES / 5
  while (live.length < TIMES) {
    const [watched, dialling] = [await holders(ground, size), await holders(ground, size)]
    const sessions = await openAll(ground, watched)
    const happensAt = await event.begin?.(ground)
    if (happensAt !== undefined) await delay(Math.max(0, happensAt - WARM_MS - Date.now()))
    // The question of a moment ago is still answered from memory.
    await spread(dialling, async (holder) => (await ground.connect(holder)).session?.close())
    if (event.denies === 'one') {
      await spread(watched, async (holder, at) => {
        await event.happen(ground, holder)
        void endOf(sessions[at]!, event.code, Date.now()).then((ms) => live.push(ms), fail)
      })
      await spread(dialling, async (holder) => {
        await event.happen(ground, holder)
        fresh.push(await untilDenied(ground, holder, Date.now()))
      })
    } else {
      await event.happen(ground, watched[0]!)
      if (happensAt !== undefined) await delay(Math.max(0, happensAt - Date.now()))
      const since = happensAt ?? Date.now()
      for (const session of sessions) void endOf(session, event.code, since).then((ms) => live.push(ms), fail)
      await spread(dialling, async (holder) => void fresh.push(await untilDenied(ground, holder, since)))
    }
    await Promise.all(sessions.map(({ ended }) => ended))
    await delay(0)
    if (failure !== undefined) throw failure
    await event.undo?.(ground)
    await spread([...watched, ...dialling], (holder) => ground.dismiss(holder))
  }
  return [
    measureOf(`${event.name}: live session`, event.liveWithinMs, live),
    measureOf(`${event.name}: new connection`, event.newWithinMs, fresh),
  ]
}

async function afterCertificate(ground: DenyGround): Promise<Measure[]> {
  const endOfLife = Math.ceil(Date.now() / 1000) * 1000 + 20_000
  const lifeOf = (at: number): Life => ({ notAfter: new Date(endOfLife + (at % 5) * 1000) })
  const [watched, dialling] = [await holders(ground, TIMES, lifeOf), await holders(ground, TIMES, lifeOf)]
  const sessions = await openAll(ground, watched)
  const ends = sessions.map((session, at) => endOf(session, 'certificate_ended', endOfLife + (at % 5) * 1000))
  const fresh = await Promise.all(
    dialling.map(async (holder, at) => {
      const since = endOfLife + (at % 5) * 1000
      await delay(Math.max(0, since - Date.now()))
      return untilDenied(ground, holder, since)
    }),
  )
  const live = await Promise.all(ends)
  await spread([...watched, ...dialling], (holder) => ground.dismiss(holder))
  return [
    measureOf('certificate ended: live session', 1_000, live),
    measureOf('certificate ended: new connection', 250, fresh),
  ]
}

async function afterOutage(ground: DenyGround): Promise<Measure[]> {
  const [watched, dialling] = [await holders(ground, TIMES), await holders(ground, TIMES)]
  const sessions = await openAll(ground, watched)
  await ground.site.node(AUTH).stop('auth')
  const since = Date.now()
  const ends = sessions.map((session) => endOf(session, 'auth_unavailable', since))
  const fresh: number[] = []
  await spread(dialling, async (holder) => {
    const { status, ms } = await ground.connect(holder)
    if (status !== 503) throw new Error(`without the auth server a connection was answered ${status} instead of 503`)
    fresh.push(ms)
  })
  return [
    measureOf('auth server unreachable: live session', UNREACHABLE_LIVE_MS, await Promise.all(ends)),
    measureOf('auth server unreachable: 503 to a new connection', UNREACHABLE_NEW_MS, fresh),
  ]
}

async function afterToken(ground: DenyGround): Promise<Measure[]> {
  const brief = (): Life => ({ expiresIn: 30 })
  const [watched, dialling] = [await holders(ground, TIMES, brief), await holders(ground, TIMES, brief)]
  const over = ({ token }: Holder): number => Number(inspectToken(token)?.claims.exp) * 1000 + SKEW_MS
  const sessions = await openAll(ground, watched)
  const ends = sessions.map((session, at) => endOf(session, 'token_ended', over(watched[at]!), 2 * NEVER_MS))
  const fresh = await Promise.all(
    dialling.map(async (holder) => {
      await delay(Math.max(0, over(holder) - Date.now()))
      return untilDenied(ground, holder, over(holder))
    }),
  )
  return [
    measureOf('token expired: live session', 1_000, await Promise.all(ends)),
    measureOf('token expired: new connection', 250, fresh),
  ]
}

/** In mode `jwks`: all holders stand and fall with the one key set of the node, so they are looked at once, together. */
async function withKeysAlone(
  ground: DenyGround,
  name: string,
  code: string,
  liveWithinMs: number,
  happen: () => Promise<unknown>,
): Promise<Measure[]> {
  const [watched, dialling] = [await holders(ground, TIMES), await holders(ground, TIMES / 5)]
  const sessions = await openAll(ground, watched)
  await happen()
  const since = Date.now()
  const ends = sessions.map((session) => endOf(session, code, since, liveWithinMs + NEVER_MS))
  const wait = { withinMs: SET_AGE_MS + NEVER_MS, everyMs: 250 }
  const fresh = await Promise.all(dialling.map((holder) => untilDenied(ground, holder, since, wait)))
  const live = await Promise.all(ends)
  await spread([...watched, ...dialling], (holder) => ground.dismiss(holder))
  return [
    measureOf(`${name}, mode jwks: live session`, liveWithinMs, live),
    measureOf(`${name}, mode jwks: new connection`, SET_AGE_MS, fresh),
  ]
}

function holders(ground: DenyGround, count: number, lifeOf: (at: number) => Life = () => ({})): Promise<Holder[]> {
  return spread(Array.from({ length: count }), (_, at) => ground.holder(lifeOf(at)))
}

/** One after the other, all over the time in which a session is looked at once. */
async function openAll(ground: DenyGround, all: readonly Holder[]): Promise<Session[]> {
  const sessions: Session[] = []
  for (const holder of all) {
    sessions.push(await ground.live(holder))
    await delay(PHASE_MS / all.length)
  }
  return sessions
}

/** Ms from `since` until the session ended, which must be for that reason. */
async function endOf(session: Session, code: string, since: number, withinMs = NEVER_MS): Promise<number> {
  const late = new AbortController()
  const never = delay(Math.max(0, since - Date.now()) + withinMs, undefined, { signal: late.signal }).catch(() => {})
  const end = await Promise.race([session.ended, never])
  late.abort()
  if (end === undefined) throw new Error(`a live session was not ended within ${withinMs} ms (${code})`)
  const said = session.frames.findLast(({ type }) => type === 'close')?.code
  if (said !== code) throw new Error(`a live session was ended for ${String(said)} instead of ${code}`)
  return Math.max(0, end.at - since)
}

/** Ms from `since` until the first attempt that was denied began; an attempt that began before does not count. */
async function untilDenied(
  ground: DenyGround,
  holder: Holder,
  since: number,
  { withinMs = NEVER_MS, everyMs = 0 } = {},
): Promise<number> {
  while (Date.now() - since < withinMs) {
    const began = Date.now()
    const { session } = await ground.connect(holder)
    if (session === undefined) return Math.max(0, began - since)
    await session.close()
    await delay(everyMs)
  }
  throw new Error(`${holder.name} was admitted for ${withinMs} ms after it should have been denied`)
}

let failure: unknown
function fail(cause: unknown): void {
  failure ??= cause
}

async function spread<Item, Result>(
  items: readonly Item[],
  act: (item: Item, at: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const queue = items.entries()
  const lane = async (): Promise<void> => {
    for (const [at, item] of queue) results[at] = await act(item, at)
  }
  await Promise.all(Array.from({ length: WIDTH }, lane))
  return results
}

function measureOf(what: string, boundMs: number, figures: readonly number[]): Measure {
  const worst = Math.max(...figures)
  const measure = compare(`time to deny, ${what}`, boundMs, worst, { bar: { atMost: 1 }, rounds: figures.length })
  const inBound = figures.filter((ms) => ms <= boundMs).length
  const note = `${inBound} of ${figures.length} within ${boundMs} ms: p50 ${median(figures).toFixed(0)} ms, worst ${worst.toFixed(0)} ms`
  return { ...measure, notes: [note] }
}
