import { expect, natsOrchestrator, type ScenarioSite, scenario, verify } from 'holdfast/vitest'

const { steps } = natsOrchestrator
const test = scenario('nats-orchestrator')
const plain = scenario('nats-orchestrator', { set: { callout: 'false' } })

test('T1 to T8 hold, to the status that a host tells of a command, and the marker tells how much was checked', ({
  site,
}) => demandVerified(site))

plain('they hold where no host logs in', ({ site }) => demandVerified(site))

async function demandVerified(site: ScenarioSite): Promise<void> {
  const { red, marker } = await verify(steps, site)

  expect(red).toEqual({})
  const counts = [...(marker ?? '').matchAll(/T\d (\d+)/g)].map(([, count]) => Number(count))
  expect(counts).toHaveLength(steps.length)
  expect(Math.min(...counts)).toBeGreaterThan(0)
}

test('both logins come from the address of the orchestrator, over its certificate', async ({ site, credential }) => {
  const accepted = await site.decisions('nats-1', { action: 'nats:login', verdict: 'accepted' })
  const own = accepted.filter(({ conn }) => conn.startsWith(`${site.node('orchestrator').address}:`))
  const x5t = await site.held('cert-orchestrator').then(({ certificate }) => certificate!.certPem)

  expect(new Set(own.map(({ principal }) => principal.name))).toEqual(new Set(['admin_user', 'orchestrator_user']))
  expect(x5t).toContain('BEGIN CERTIFICATE')
  expect(await site.call('orchestrator', 'nats-1', 'nats:connect', credential('creds-orchestrator'))).toBeAccepted()
})
