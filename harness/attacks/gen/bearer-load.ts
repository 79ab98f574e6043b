import { randomUUID } from 'node:crypto'
import type { KeptAnswer } from '../../protocols/http/kept-connections.ts'
import { demandKept, demandRefused, keptTo, orUnanswered, requestWith } from '../asking.ts'
import { cases, steps } from '../attack.ts'
import { forged, forgedToken } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { A1, demanded } from '../outcome.ts'
import { acceptedOnce, restart, standIn } from '../stand-in.ts'
import { demandNoHint, unharmed } from '../unharmed.ts'

const count = 1_000
const connections = 8
/** How much later the good caller may be answered: a share of what it waits without an attack, and a floor for a busy machine. */
const slower = 5
const floorMs = 500
/** Characters of each of the tokens that are large. */
const large = 7_000
/**
 * A heap that is young, or cold, grows until it is collected first: what is a leak grows in each round, by what was sent in it at least.
 */
const rounds = 16
/** How seldom an unknown key id may be a reason to fetch the key set. */
const coolDownMs = 10_000

/** Attacks that come by the thousand. All connections are kept, so that what is refused is the request. */
export const load = cases(['takes:bound-token', 'speaks:http', 'jwks-client'], {
  'GEN-09': {
    title: 'a thousand unknown key ids ask the issuer once',
    source: 'RFC 8725 section 3.10',
    stage: 'scripted-issuer',
    variants: { '1000 random ones': steps(demanded('A1 each, one fetch of keys, good callers unharmed'), unknownKeys) },
  },
  'GEN-37': {
    title: 'a thousand refusals harm nobody else',
    follows: 'bound-token/signature',
    source: 'RFC 6585 section 4',
    needs: ['takes:bound-token', 'speaks:http'],
    variants: {
      'forged tokens of one caller': steps(
        demanded('A1 or 429 each, at flat cost, good callers unharmed'),
        forgedByTheThousand,
      ),
      'tokens of 7 kB, all different': steps(
        demanded('A1 or 429 each, memory flat, good callers unharmed'),
        largeByTheThousand,
      ),
    },
  },
})

async function unknownKeys(lab: Lab): Promise<void> {
  const issuer = await standIn(lab)
  const asked = () => issuer.requests.filter(({ endpoint }) => endpoint === 'keys').length
  // A set that outlives the attack, so that every fetch is one for an unknown key.
  issuer.script('keys', (_, honest) => ({ headers: { 'cache-control': 'max-age=60' }, body: honest }))
  await acceptedOnce(lab, 'the target has the key set', { hasCome: () => asked() > 0 })
  try {
    await countingFetches(lab, asked)
  } finally {
    // It would keep that set for longer than the next attacks wait.
    issuer.script('keys')
    await restart(lab)
  }
}

async function countingFetches(lab: Lab, asked: () => number): Promise<void> {
  const tap = await lab.site.tap(lab.target.node)
  const before = asked()
  const began = performance.now()
  const token = await lab.good().token()
  await flooded(lab, () => forgedToken(token, undefined, { header: { kid: randomUUID() }, signature: () => 'AAAA' }))
  const most = 1 + Math.ceil((performance.now() - began) / coolDownMs)
  const fetches = asked() - before
  lab.demand(fetches <= most, `it fetched the key set ${fetches} times for ${count} unknown key ids`)
  const refused = await tap.decisions({ verdict: 'refused', reason: 'kid_unknown' })
  lab.demand(refused.length === count, `it recorded ${refused.length} refusals of unknown key ids, of ${count}`)
}

async function forgedByTheThousand(lab: Lab): Promise<void> {
  const token = await lab.good().token()
  const forgery = { signature: () => 'A'.repeat(86) }
  demandRefused(lab, await lab.call(forged(lab, 'forged', forgery)), A1('signature_invalid'))
  const oneMore = () => forgedToken(token, undefined, forgery)
  await warm(lab, oneMore)
  await flooded(lab, oneMore)
}

async function largeByTheThousand(lab: Lab): Promise<void> {
  const memoryKb = () => lab.site.residentKb(lab.target.node, lab.target.unit)
  const sentKb = Math.floor((count * large) / 1024)
  const token = () => `${randomUUID().replaceAll('-', '')}.${'A'.repeat(large)}.AAAA`
  await warm(lab, token)
  const grown: number[] = []
  let before = await memoryKb()
  while (grown.length < rounds) {
    await flooded(lab, token)
    const after = await memoryKb()
    // Of a program that the site did not start nobody knows what it holds.
    if (before === undefined || after === undefined) return
    grown.push(after - before)
    if (after - before < sentKb) break
    before = after
  }
  const text = `it grew in each of ${rounds} rounds of ${sentKb} kB of tokens by what was sent at least: by ${grown.join(', ')} kB resident`
  lab.demand(grown.at(-1)! < sentKb, text)
}

/** A program that nobody here wrote may compile what it runs, and be cold: how long its first thousand refusals take tells nothing. */
async function warm(lab: Lab, token: () => string): Promise<void> {
  if (lab.planned.proof === undefined) return
  await demandKept(lab)
  await flooded(lab, token, 'cold')
}

/** Sends a thousand tokens as fast as they go, beside one good caller, and demands that each is refused and he is not delayed. */
function flooded(lab: Lab, token: () => string, how?: 'cold'): Promise<void> {
  return unharmed(lab, async () => {
    using attacker = await keptTo(lab, connections)
    using caller = await keptTo(lab, 1)
    const good = await lab.good().token()
    const goodCall = () => orUnanswered(caller.send(requestWith(lab, good)))
    const alone = p99(await goodCalls(goodCall, () => false))
    const began = performance.now()
    const bodies = new Set<string>()
    const { answers, times } = await beside(goodCall, async () => {
      const forged = token()
      // They are alike, so that a few tell of all of them what is written down.
      if (lab.presented.length < 10) lab.presents(forged)
      const answer = await orUnanswered(attacker.send(requestWith(lab, forged)))
      // What was said to another token before holds nothing of this one.
      if (!bodies.has(answer.body)) demandNoHint(lab, answer.body, [forged])
      bodies.add(answer.body)
      return answer
    })
    const ms = performance.now() - began
    const turnedAway = times.filter((one) => !Number.isFinite(one)).length
    lab.demand(turnedAway === 0, `a good caller is turned away ${turnedAway} times`)
    const isRefusal = lab.planned.proof !== undefined ? isAnyRefusal : isListedRefusal
    const other = answers.find((answer) => !isRefusal(answer))
    lab.demand(other === undefined, `it answered ${other?.status || 'nothing, and ended the connection'}`)
    if (how === 'cold') return
    const delayed = p99(times)
    const floor = lab.site.bound(floorMs)
    const isLate = delayed > alone * slower + floor
    // Of a machine that has become slow since, as many accepted calls tell, where they are not too many for the target.
    const accepted = () => orUnanswered(attacker.send(requestWith(lab, good)))
    const besideAccepted = isLate ? p99((await beside(goodCall, accepted)).times) : alone
    const usual = Number.isFinite(besideAccepted) ? besideAccepted : alone
    const bound = Math.round(usual * slower + floor)
    lab.site.measured('1000 refusals took', ms, lab.site.bound(30_000))
    lab.site.measured('p99 of a good caller meanwhile', delayed, bound)
    const otherwise = usual === alone ? 'alone' : 'beside as many accepted calls'
    lab.demand(delayed <= bound, `a good caller waited ${Math.round(delayed)} ms, ${otherwise} ${Math.round(usual)} ms`)
  })
}

/** A thousand calls, and how long each call of one good caller took meanwhile. */
async function beside(goodCall: () => Promise<KeptAnswer>, send: () => Promise<KeptAnswer>) {
  let isOver = false
  const during = goodCalls(goodCall, () => !isOver)
  const answers = await pooled(send)
  isOver = true
  return { answers, times: await during }
}

/** What a program that nobody here wrote may say instead (RFC 6750 section 3.1, RFC 6585 section 5). */
function isAnyRefusal({ status }: KeptAnswer): boolean {
  return [400, 401, 403, 413, 429, 431].includes(status)
}

function isListedRefusal({ status, headers }: KeptAnswer): boolean {
  if (status === 429) return headers['retry-after'] !== undefined
  return status === 401 && String(headers['www-authenticate']).includes('error="invalid_token"')
}

async function goodCalls(call: () => Promise<KeptAnswer>, goOn: () => boolean): Promise<readonly number[]> {
  const times: number[] = []
  while (times.length < 50 || goOn()) {
    const { status, ms } = await call()
    times.push(status > 0 && status < 300 ? ms : Number.POSITIVE_INFINITY)
  }
  return times
}

async function pooled(send: () => Promise<KeptAnswer>): Promise<KeptAnswer[]> {
  const answers: KeptAnswer[] = []
  let left = count
  const lane = async () => {
    while (left > 0) {
      left -= 1
      answers.push(await send())
    }
  }
  await Promise.all(Array.from({ length: connections }, lane))
  return answers
}

function p99(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.POSITIVE_INFINITY
}
