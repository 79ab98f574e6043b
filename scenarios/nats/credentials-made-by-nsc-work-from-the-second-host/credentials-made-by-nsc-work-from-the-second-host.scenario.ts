import { expect, type ScenarioSite, scenario, thumbprintS256, verify } from 'holdfast/vitest'
import { monitoring, natsOrchestrator } from '../verification.ts'

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

test('both logins come from the address of the orchestrator, over its certificate', async ({ site }) => {
  const accepted = await site.decisions('nats-1', { action: 'nats:login', verdict: 'accepted' })
  // Tests log in from there, too: each with a certificate of its own.
  const { connections } = await monitoring<{ connections: { ip: string; port: number; name: string }[] }>(
    site,
    '/connz',
  )
  const own = connections.filter(({ name }) => /^orchestrator (work|control)$/.test(name))
  const logins = own.map(({ ip, port }) => accepted.findLast(({ conn }) => conn === `${ip}:${port}`)?.principal)
  const { certificate } = await site.held('cert-orchestrator')
  const proven = { 'x5t#S256': thumbprintS256(certificate!.certPem) }

  expect(new Set(own.map(({ ip }) => ip))).toEqual(new Set([site.node('orchestrator').address]))
  expect(logins).toHaveLength(2)
  for (const name of ['admin_user', 'orchestrator_user']) {
    expect(logins).toContainEqual(expect.objectContaining({ name, ...proven }))
  }
})
