import type { LiveSite } from '../../credentials/live-site.ts'
import type { SpoiledCreds } from '../../credentials/nats-creds/checks.ts'
import { liveNatsCreds, ofRole } from '../../credentials/nats-creds/live.ts'
import type { PlanNatsCreds } from '../../credentials/nats-creds/planned.ts'
import type { UserCreds } from '../../credentials/nats-creds/user-creds.ts'
import { credentialOf } from '../../credentials/of-kind.ts'
import type { Credential } from '../../site/credential.ts'
import { presenting, type Variant } from '../attack.ts'
import type { Lab } from '../lab.ts'
import type { Outcome } from '../outcome.ts'

/** What is planned of the credentials that are accepted at the target, and the site as their kind knows it. */
export function issued(lab: Lab): { planned: PlanNatsCreds; site: LiveSite } {
  return { planned: credentialOf(lab.plan, 'nats-creds', lab.target.credential), site: lab.site.credentials.at }
}

/** The accepted credential with other credentials of the same user, which are made out of them. */
export function withCreds(expect: Outcome, label: string, made: (own: UserCreds, lab: Lab) => unknown): Variant {
  return presenting(expect, (good, lab) =>
    good.with('creds', async (own) => ({ ...own, ...((await made(own, lab)) as Partial<UserCreds>) }), label),
  )
}

/** The same in one of the states that their kind knows. */
export function inState(state: SpoiledCreds, expect: Outcome): Variant {
  return presenting(expect, (good, lab) => good.with('creds', () => spoiledCreds(good, lab, state), state))
}

async function spoiledCreds(good: Credential, lab: Lab, state: SpoiledCreds): Promise<UserCreds> {
  const { planned, site } = issued(lab)
  return (await liveNatsCreds.spoil[state]!(await good.presented(), planned, site)).creds!
}

/** One more user of the same role, that nobody else has: so that it can be ended. */
export function another(lab: Lab, times: { exp?: number } = {}): Credential {
  const good = lab.good()
  return good.with(
    'creds',
    async () => {
      const { planned, site } = issued(lab)
      return (await ofRole(() => ({ times }))(await good.presented(), planned, site)).creds!
    },
    'with those of another user of its role',
  )
}
