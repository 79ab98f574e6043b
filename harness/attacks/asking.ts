import { type Answer, exchange, type Request } from '../protocols/http/exchange.ts'
import { endsUnsaid, type KeptAnswer, keptConnections } from '../protocols/http/kept-connections.ts'
import { ConnectionNotKept } from '../protocols/http/raw-call.ts'
import type { Credential } from '../site/credential.ts'
import { markJudged } from '../site/judging.ts'
import { endpointAt } from '../site/site-files.ts'
import type { Verdict } from '../site/verdict.ts'
import type { Lab } from './lab.ts'
import type { Outcome } from './outcome.ts'

/** What a request says otherwise than the action of the target; header lines are further ones. */
export type Otherwise = Partial<Request>

/** The target's request as it is sent, with this token, or none: what is said in a protocol that asks in HTTP, whichever that is. */
export function requestWith(lab: Lab, token?: string, otherwise: Otherwise = {}): Request {
  const { method = 'GET', path, json } = saidTo(lab)
  const authorization = token === undefined ? [] : [['Authorization', `Bearer ${token}`] as const]
  const type = json === undefined ? [] : [['Content-Type', 'application/json'] as const]
  const body = json === undefined ? undefined : JSON.stringify(json)
  const { headers = [], ...other } = otherwise
  return { method, path, body, ...other, headers: [...authorization, ...type, ...headers] }
}

/** Method and path of the target's action, and what it sends as JSON. */
export function saidTo({ planned }: Lab): { method?: string; path: string; json?: unknown } {
  return (Object.values(planned.action.request) as [{ method?: string; path: string; json?: unknown }])[0]
}

/** Asks the target over the certificate of a credential, with its token: each time on a connection of its own. */
export async function askingAs(lab: Lab, credential: Credential): Promise<(otherwise?: Otherwise) => Promise<Answer>> {
  const { certificate: identity, token } = await credential.presented()
  if (token !== undefined) lab.presents(token)
  const endpoint = { ...(await endpointAt(lab.site.site, lab.target.from, lab.planned)), identity }
  return (otherwise) => exchange(endpoint, requestWith(lab, token, otherwise))
}

/** So many connections to the target that are kept and used again, over the certificate of a credential: the good one, unless another is given. */
export async function keptTo(lab: Lab, most: number, credential: Credential = lab.good()) {
  const endpoint = await endpointAt(lab.site.site, lab.target.from, lab.planned)
  const { certificate: identity } = await credential.presented()
  return keptConnections({ ...endpoint, identity }, most)
}

/** Where requests are lost with the connections that the target ends, nobody can tell who was refused. @throws ConnectionNotKept */
export async function demandKept(lab: Lab): Promise<void> {
  using kept = await keptTo(lab, 1)
  const isLost = await endsUnsaid(kept, requestWith(lab, await lab.good().token()))
  if (isLost) throw new ConnectionNotKept(await endpointAt(lab.site.site, lab.target.from, lab.planned))
}

export function isSuccess(status: number | null): boolean {
  return status !== null && status >= 200 && status < 300
}

/** That a call is refused, however. One that is let in is judged by what it must be refused with: that is no matter of what is tried beyond it. */
export function demandRefused(lab: Lab, verdict: Verdict, refusal: Outcome): void {
  if (verdict.promised) lab.judge(verdict, refusal)
  else markJudged(verdict)
}

/** A connection that ends without an answer is an outcome, too: of status 0. */
export function orUnanswered(answer: Promise<KeptAnswer>): Promise<KeptAnswer> {
  return answer.catch(() => ({ status: 0, headers: {}, httpVersion: '', body: '', ms: Number.POSITIVE_INFINITY }))
}
