import { expect, inspectCreds, type ScenarioSite } from 'holdfast/vitest'
import { run } from './files.ts'
import { forged } from './handed.ts'
import { places } from './verification.ts'

/** Changes what a role of WORKLOAD holds, by nsc, and has the broker know of it: a revocation brings all claims along. */
export async function changeRole(site: ScenarioSite, signingKey: string, ...change: string[]): Promise<void> {
  const nsc = `${site.node('nats-1').dir}/${places.state}/nsc`
  const where = ['--config-dir', `${nsc}/config`, '--data-dir', `${nsc}/stores`, '--keystore-dir', `${nsc}/keys`]
  await run(
    site,
    'nats-1',
    'nsc',
    'edit',
    'signing-key',
    '--account',
    'WORKLOAD',
    '--sk',
    signingKey,
    ...change,
    ...where,
  )
  // Nobody has this key.
  const { subject: key } = await inspectCreds(await forged(site, {}))
  const input = JSON.stringify({ account: 'WORKLOAD', key })
  expect(await site.node('nats-1').run('nats-user-revoke', { input })).toMatchObject({ code: 0 })
}
