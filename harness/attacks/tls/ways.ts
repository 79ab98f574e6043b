import type { Credential } from '../../site/credential.ts'
import {
  askingAs,
  demandRefused,
  isSuccess,
  keptTo,
  type Otherwise,
  orUnanswered,
  requestWith,
  saidTo,
} from '../asking.ts'
import { cases, type Made, steps, type Variant } from '../attack.ts'
import type { Lab } from '../lab.ts'
import { A0, A1, demanded, type Outcome } from '../outcome.ts'
import { unharmed } from '../unharmed.ts'
import { stranger } from './pretence.ts'

/** By name: what the request of the target's action, which has this path, says otherwise. */
type Ways = (path: string) => Readonly<Record<string, Otherwise>>

/** What a resource may be asked for: who has no right to it is answered with any of 401, 403, 404, 405 and 501. */
const methods = ['HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']
const withContent = ['POST', 'PUT', 'PATCH']

/** Headers and a parameter by which frameworks take a request for one of another method, which is seldom guarded; and what a server may hand to another handler. */
const inOtherWords: Ways = (path) => {
  const lines = ['OPTIONS', 'HEAD'].flatMap((method) =>
    ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'].map((name) => [name, method] as const),
  )
  const queries = ['OPTIONS', 'HEAD'].map((method) => `_method=${method}`)
  return {
    ...Object.fromEntries(
      [...lines, ['Expect', '100-continue'] as const].map((line) => [line.join(': '), { headers: [line] }]),
    ),
    ...Object.fromEntries(queries.map((query) => [query, { path: withQuery(path, query) }])),
  }
}

const needs = ['takes:bound-token', 'speaks:http']
const ofThief = [...needs, 'client-certificate']
/** Calls at once of each of the two, and how many each of them makes. */
const lanes = 4
const rounds = 40

/** What the declared request demands of a caller, asked for in other ways. */
export const ways = cases(needs, {
  'TLS-33': {
    title: 'no other method opens what the declared one does not',
    source: 'RFC 9110 sections 9.1 and 15.5.6; RFC 6750 section 3.1; RFC 8705 section 3',
    variants: {
      'without a token': byMethod((good) => good.withoutToken(), A0('token_missing')),
      'with a stolen token': { ...byMethod(thief, A1('cnf_x5t_mismatch')), needs: ofThief },
    },
  },
  'TLS-34': {
    title: 'no method that a header or a parameter names, and no expectation, opens what the request does not',
    source: 'RFC 9110 sections 9.1 and 10.1.1; RFC 6750 section 3.1',
    variants: {
      'without a token': steps(demanded('no answer of 2xx with the accepted body'), (lab) =>
        refusedInAll(lab, inOtherWords(saidTo(lab).path), (good) => good.withoutToken(), A0('token_missing')),
      ),
    },
  },
  'TLS-35': {
    title: 'of many callers at once each is taken for himself',
    source: 'RFC 8705 section 3; RFC 6750 section 3.1',
    needs: ofThief,
    variants: {
      'a stolen token among right calls': steps(demanded('the thief is refused, the right caller accepted'), amongMany),
    },
  },
})

/** Unsafe methods are never tried with the right credential: it could change what belongs to somebody. */
function byMethod(made: Made<Credential>, refusal: Outcome): Variant {
  return steps(demanded('no answer of 2xx; of OPTIONS none with the accepted body'), (lab) => {
    const others = methods.filter((method) => method !== saidTo(lab).method)
    const written = others.map((method) => [method, { method, body: withContent.includes(method) ? '' : undefined }])
    return refusedInAll(lab, Object.fromEntries(written), made, refusal)
  })
}

function refusedInAll(lab: Lab, written: ReturnType<Ways>, made: Made<Credential>, refusal: Outcome): Promise<void> {
  return unharmed(lab, async () => {
    const wrong = await askingAs(lab, await refused(lab, made, refusal))
    const right = await askingAs(lab, lab.good())
    const before = await right()
    lab.demand(isSuccess(before.status), `the right caller is answered with ${before.status}`)
    const opened: string[] = []
    for (const [name, otherwise] of Object.entries(written)) {
      const answer = await wrong(otherwise)
      // Another page may be public, and OPTIONS is answered to anybody: who is let in gets what the accepted caller gets.
      const anyBody = otherwise.method !== undefined && otherwise.method !== 'OPTIONS'
      if (isSuccess(answer.status) && (anyBody || isSame(answer.body, before.body))) opened.push(name)
    }
    const after = await right()
    lab.demand(isSuccess(after.status), `the right caller is answered with ${after.status} afterwards`)
    const { method = 'GET', path } = saidTo(lab)
    lab.demand(opened.length === 0, `it lets in by ${opened.join(', ')}, and not by ${method} ${path}`)
  })
}

/** The credential that is refused in the declared way. */
async function refused(lab: Lab, made: Made<Credential>, refusal: Outcome): Promise<Credential> {
  const credential = await made(lab.good(), lab)
  demandRefused(lab, await lab.call(credential), refusal)
  return credential
}

async function amongMany(lab: Lab): Promise<void> {
  const wrong = await refused(lab, thief, A1('cnf_x5t_mismatch'))
  await unharmed(lab, async () => {
    using thieves = await keptTo(lab, lanes, wrong)
    using callers = await keptTo(lab, lanes)
    const request = requestWith(lab, await lab.good().token())
    const calls = async (kept: typeof callers) => {
      const statuses: number[] = []
      const lane = async () => {
        for (let round = 0; round < rounds; round += 1) statuses.push((await orUnanswered(kept.send(request))).status)
      }
      await Promise.all(Array.from({ length: lanes }, lane))
      return statuses
    }
    const [ofThieves, ofCallers] = await Promise.all([calls(thieves), calls(callers)])
    const letIn = ofThieves.filter(isSuccess).length
    // Who has had enough of both says so in other words.
    const mistaken = ofCallers.filter((status) => [400, 401, 403].includes(status)).length
    const all = lanes * rounds
    lab.demand(letIn === 0, `it lets in a stolen token in ${letIn} of ${all} calls, among as many of its holder`)
    lab.demand(mistaken === 0, `it turns away its holder in ${mistaken} of ${all} calls, among as many of a thief`)
    lab.demand(ofCallers.some(isSuccess), `it answers none of ${all} right calls at once`)
  })
}

/** Over a certificate of somebody else. */
async function thief(good: Credential, lab: Lab): Promise<Credential> {
  return good.withCertificate(await stranger(lab), "over a stranger's certificate")
}

/** But for numbers: a time, a count. */
function isSame(body: string, accepted: string): boolean {
  return accepted !== '' && body.replaceAll(/\d+/g, '0') === accepted.replaceAll(/\d+/g, '0')
}

function withQuery(path: string, query: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}${query}`
}
