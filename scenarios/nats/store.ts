import { expect, inspectCreds, type ScenarioSite } from 'holdfast/vitest'
import { run } from './files.ts'
import { forged } from './handed.ts'
import { places } from './verification.ts'

// What only nsc's own store says, as whoever has it would change it.

/** Runs nsc on the store of the setup; answers what it wrote. */
export function nsc(site: ScenarioSite, ...argv: string[]): Promise<string> {
  const store = `${site.node('nats-1').dir}/${places.state}/nsc`
  const where = ['--config-dir', `${store}/config`, '--data-dir', `${store}/stores`, '--keystore-dir', `${store}/keys`]
  return run(site, 'nats-1', 'nsc', ...argv, ...where)
}

/** Has the broker know of what the store says of all accounts: a revocation brings that along, here of a key that nobody has. */
export async function push(site: ScenarioSite): Promise<void> {
  const { subject: key } = await inspectCreds(await forged(site, {}))
  const input = JSON.stringify({ account: 'WORKLOAD', key })
  expect(await site.node('nats-1').run('nats-user-revoke', { input })).toMatchObject({ code: 0 })
}

/** Changes what a role of WORKLOAD holds, and has the broker know of it. */
export async function changeRole(site: ScenarioSite, signingKey: string, ...change: string[]): Promise<void> {
  await nsc(site, 'edit', 'signing-key', '--account', 'WORKLOAD', '--sk', signingKey, ...change)
  await push(site)
}

/** Public keys of the setup, by what they are for. */
export async function setupKeys(site: ScenarioSite): Promise<Readonly<Record<'response' | 'hostRole', string>>> {
  const record = await site.node('nats-1').readFile(`${places.state}/setup.json`)
  return (JSON.parse(record) as { keys: Record<'response' | 'hostRole', string> }).keys
}
