import { revoke } from '../../credentials/nats-creds/live.ts'
import type { NatsRequest } from '../../protocols/nats/request.ts'
import type { Session } from '../../protocols/session.ts'
import { cases, presenting, steps, type Variant } from '../attack.ts'
import type { Lab } from '../lab.ts'
import { accepted, demanded } from '../outcome.ts'
import { denied, nAv } from './outcomes.ts'
import { another, issued } from './spoiling.ts'

const endsWithinMs = 5_000
const expiresInSeconds = 3
/** The broker counts what is left in whole seconds, and so is late by up to one of its own; then the end has to be seen. */
const lateAtMost = 1_500

/** A subject that no role holds. */
const outside = 'holdfast.attack.outside'

/** The accepted credential, and something else than the action once it is in. */
const doing = (does: NatsRequest, reason: string): Variant => presenting(denied(reason), (good) => good, { does })
const publishing = (subject: string, more: Partial<NatsRequest> = {}) =>
  doing({ publish: subject, ...more }, 'nats_publish_denied')
const subscribing = (subject: string, more: Partial<NatsRequest> = {}) =>
  doing({ subscribe: subject, ...more }, 'nats_subscribe_denied')

/** What somebody who is in must not be able to do, and for how long he is. */
export const rights = cases(['takes:nats-creds', 'speaks:nats'], {
  'NATS-09': {
    title: 'who is in is put out when his JWT ends',
    source: 'nats-server, client.go',
    variants: {
      'a live connection': steps(
        demanded(`User Authentication Expired within ${expiresInSeconds} s and one more`),
        expireUnderSession,
      ),
    },
  },
  'NATS-11': {
    title: 'who was revoked is put out, and does not come in again',
    source: 'NATS JWT v2, revocation_list.go',
    forGood: 'users of its role were revoked',
    variants: {
      'a new login': steps(nAv('nats_user_revoked'), loginRevoked),
      'a live connection': steps(demanded(`User Authentication Revoked within ${endsWithinMs} ms`), revokeUnderSession),
    },
  },
  'NATS-14': {
    title: 'a role is all that its user may',
    source: 'nats-server, client.go',
    variants: {
      'publishes elsewhere': publishing(outside),
      'publishes to all': publishing('>'),
      'subscribes elsewhere': subscribing(outside),
      'subscribes to all': subscribing('>'),
      'subscribes to one token of all': subscribing('*'),
      'joins a group elsewhere': subscribing(outside, { queue: 'holdfast' }),
      'joins a group of all': subscribing('>', { queue: 'holdfast' }),
      'takes the inboxes of all': subscribing('_INBOX.>'),
    },
  },
  'NATS-16': {
    title: 'the system account is out of reach of all others',
    source: 'NATS accounts',
    variants: {
      'hears the system': subscribing('$SYS.>'),
      'hears logins that are decided on': subscribing('$SYS.REQ.USER.AUTH'),
      'changes claims': publishing('$SYS.REQ.CLAIMS.UPDATE', { data: 'x' }),
      'asks for claims': publishing('$SYS.REQ.CLAIMS.LIST'),
      'asks for all connections': publishing('$SYS.REQ.SERVER.PING.CONNZ'),
      'puts others out': publishing('$SYS.REQ.SERVER.PING.KICK', { data: '{"cid":1}' }),
      'asks for all streams': publishing('$JS.API.STREAM.LIST'),
      'deletes a stream': publishing('$JS.API.STREAM.DELETE.WORKLOAD'),
      'empties a stream': publishing('$JS.API.STREAM.PURGE.WORKLOAD'),
    },
  },
  'NATS-15': {
    title: 'what is denied within what is allowed stays denied',
    source: 'GHSA-wh7g-5m82-pmhr; GHSA-jx8g-9g95-6322',
    notHere: 'roles of shipped topologies allow what they need, and deny nothing within that',
  },
  'NATS-19': {
    title: 'headers that a client sets make it nobody else',
    source: 'CVE-2026-33223; CVE-2026-33246; CVE-2026-33249',
    shownBy: ['nats/headers-are-not-identity'],
  },
  'NATS-21': {
    title: 'names of certificates are compared exactly where they stand for users',
    source: 'CVE-2026-33248',
    notHere: 'no shipped broker maps certificates to users',
  },
})

async function opened(lab: Lab, credential: ReturnType<typeof another>): Promise<Session> {
  const { from, node, action } = lab.target
  const { verdict, session } = await lab.site.open(from, node, action, credential)
  lab.demand(verdict.verdict === 'accepted', 'another user of the role was not let in, so nothing could be ended')
  return session
}

async function endsFor(lab: Lab, session: Session, reason: string, withinMs: number): Promise<void> {
  const end = await lab.site.ended(session, { withinMs: 2 * withinMs })
  lab.demand(end.reason === reason, `the connection ended with "${end.reason}", expected "${reason}"`)
}

async function expireUnderSession(lab: Lab): Promise<void> {
  const exp = Math.floor(Date.now() / 1000) + lab.site.bound(expiresInSeconds)
  const session = await opened(lab, another(lab, { exp }))
  await endsFor(lab, session, 'User Authentication Expired', (expiresInSeconds + 1) * 1000)
  const boundMs = lab.site.bound(lateAtMost)
  const endedAt = (await session.ended).at
  const lateMs = lab.site.measured('put out after the end of the JWT', endedAt - exp * 1000, boundMs)
  lab.demand(lateMs <= boundMs, `who had expired was in for ${lateMs} ms more`)
}

async function revokeUnderSession(lab: Lab): Promise<void> {
  const credential = another(lab)
  const session = await opened(lab, credential)
  const { planned, site } = issued(lab)
  const began = Date.now()
  await revoke(await credential.part('creds'), planned, site)
  await endsFor(lab, session, 'User Authentication Revoked', endsWithinMs)
  const boundMs = lab.site.bound(endsWithinMs)
  const tookMs = lab.site.measured('put out after the revocation', (await session.ended).at - began, boundMs)
  lab.demand(tookMs <= boundMs, `who was revoked was in for ${tookMs} ms more`)
}

async function loginRevoked(lab: Lab) {
  const credential = another(lab)
  lab.judge(await lab.call(credential), accepted())
  const { planned, site } = issued(lab)
  await revoke(await credential.part('creds'), planned, site)
  return lab.call(credential)
}
