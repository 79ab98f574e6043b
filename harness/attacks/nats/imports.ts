import { decode, encodeActivation, type User } from '@nats-io/jwt'
import { accountMaker, type MadeAccount, pusherOf } from '../../credentials/nats-creds/accounts.ts'
import { userOf } from '../../credentials/nats-creds/live.ts'
import type { UserCreds } from '../../credentials/nats-creds/user-creds.ts'
import type { Session } from '../../protocols/session.ts'
import { cases, steps } from '../attack.ts'
import type { Lab } from '../lab.ts'
import { accepted, demanded } from '../outcome.ts'
import { issued } from './spoiling.ts'

/** What one account exports, and others want. */
const subject = 'holdfast.attack.granted'
const withinMs = 5_000

/** What an account must not get from another one, whoever signed its claims. */
export const imports = cases(['takes:nats-creds', 'speaks:nats'], {
  'NATS-18': {
    title: 'an import is for the account that it was granted to',
    source: 'CVE-2021-3127',
    forGood: 'accounts of an attacker stand at the broker',
    variants: {
      'with what another account was granted': steps(
        demanded('only who was granted it hears what another account exports'),
        (lab) => importWith(lab, (granted) => granted),
      ),
      'without a grant': steps(
        demanded('nobody hears what another account exports for those alone whom it grants it'),
        (lab) => importWith(lab, () => undefined),
      ),
      'with a grant of its own making': steps(
        demanded('no grant counts that is none of the account that exports'),
        (lab) => importWith(lab, (_, own) => own),
      ),
    },
  },
})

/** One account exports, another one is granted it, and a third one imports it with something else: whoever has the operator's keys says so. */
async function importWith(lab: Lab, token: (granted: string, own: string) => string | undefined): Promise<void> {
  const account = await maker(lab)
  const [exporter, granted, thief] = [account('EXPORTER'), account('GRANTED'), account('THIEF')]
  const grant = (to: MadeAccount, by: MadeAccount) => encodeActivation('granted', to.key, by.key, 'stream', { subject })
  const activation = await grant(granted, exporter)
  const own = await grant(thief, thief)
  const imported = (by: string | undefined) => ({
    imports: [{ name: 'granted', subject, account: exporter.id, type: 'stream', ...(by && { token: by }) } as const],
  })
  const exported = { exports: [{ name: 'granted', subject, type: 'stream', token_req: true } as const] }
  for (const jwt of [await exporter.jwt(exported), await granted.jwt(imported(activation))]) {
    const answer = await push(lab, jwt)
    lab.demand(isTaken(answer), `the broker did not take the claims: ${answer}`)
  }
  const answer = await push(lab, await thief.jwt(imported(token(activation, own))))
  // A broker that takes no such claims at all says why; one that does must leave the import out.
  lab.demand(isTaken(answer) || answer.includes('activation token'), `it took no claims, for something else: ${answer}`)
  const [source, entitled] = [await loggedIn(lab, exporter), await listening(lab, granted)]
  const other = isTaken(answer) ? await listening(lab, thief) : undefined
  source.send({ publish: subject, data: 'exported' })
  await heard(lab, entitled, 'exported')
  if (other === undefined) return
  // What came after it is there.
  other.send({ publish: subject, data: 'his own' })
  await heard(lab, other, 'his own')
  lab.demand(
    !textsOf(other).includes('exported'),
    'an account to which it was not granted heard what another one exports',
  )
}

async function maker(lab: Lab) {
  const { planned, site } = issued(lab)
  const { iss, nats } = decode<User>((await lab.good().part('creds')).jwt)
  const claims = await asked(lab, `$SYS.REQ.ACCOUNT.${nats.issuer_account ?? iss}.CLAIMS.LOOKUP`)
  return accountMaker(claims, planned, site)
}

/** Gives the broker claims of an account, as the program that may. */
function push(lab: Lab, jwt: string): Promise<string> {
  return asked(lab, '$SYS.REQ.CLAIMS.UPDATE', jwt)
}

function isTaken(answer: string): boolean {
  return answer.includes('"code":200')
}

async function asked(lab: Lab, ask: string, data?: string): Promise<string> {
  const { planned, site } = issued(lab)
  const pusher = lab.good().with('creds', () => pusherOf(planned, site), 'of whoever pushes claims')
  const verdict = await lab.call(pusher, { does: { ask, ...(data && { data }) } })
  lab.judge(verdict, accepted())
  return verdict.body
}

async function loggedIn(lab: Lab, account: MadeAccount): Promise<Session> {
  const { from, node, action } = lab.target
  const creds = (): Promise<UserCreds> => userOf('somebody', account.id, { signer: account.signer })
  const user = lab.good().with('creds', creds, 'of a user of another account')
  const { verdict, session } = await lab.site.open(from, node, action, user)
  lab.demand(
    verdict.verdict === 'accepted',
    'a user of an account that was pushed was not let in, so nothing was tried',
  )
  return session
}

/** Of the same, who hears the subject of that name in his own account, and all that comes there by an import. */
async function listening(lab: Lab, account: MadeAccount): Promise<Session> {
  const session = await loggedIn(lab, account)
  session.send({ subscribe: subject })
  session.send({ publish: subject, data: 'ready' })
  await heard(lab, session, 'ready')
  return session
}

async function heard(lab: Lab, session: Session, text: string): Promise<void> {
  await lab.site.until(`"${text}" is heard`, () => textsOf(session).includes(text), { withinMs })
}

function textsOf({ frames }: Session): string[] {
  return frames.map(({ data }) => String(data))
}
