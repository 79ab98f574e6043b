import { expect, scenario } from 'holdfast/vitest'
import { ask } from '../asking.ts'
import { tokenOf } from '../cluster.ts'
import { beginRoll } from '../rolling.ts'
import { newToken } from '../starting.ts'

const test = scenario('bearer-cluster', { set: { readAccess: 'token' }, own: true, waits: true })

test.for(['orc-1', 'orc-3'])('at %s', async (to, { site }) => {
  const through = to === 'orc-3' ? ('edge' as const) : undefined
  const where = { to, path: '/v1/events', ...(through && { through }) }
  const second = newToken()
  const also = `${site.node(to).dir}/etc/holdfast/bearer-node.token.also`
  await site.node(to).exec(['rm', '-f', also])
  await beginRoll(site, to, second)
  const isAccepted = async () => (await ask(site, { to, path: '/v1/auth', token: second })).status === 200
  await site.until('the second one is accepted', isAccepted, { withinMs: 10_000 })

  const [own, ofSecond] = [await tokenOf(site), second].map((token) =>
    ask(site, { ...where, token, forMs: site.bound(15_000) }),
  )
  const isOpen = async () => (await site.decisions(to, { action: 'GET /v1/events', verdict: 'accepted' })).length >= 2
  await site.until('both are open', isOpen, { withinMs: 10_000 })
  await site.node(to).exec(['rm', '-f', also])
  await site.node(to).signal('SIGHUP', 'orchestrator')
  const ended = await ofSecond!
  expect(ended.status).toBe(200)
  expect(ended.endedAfterMs).toBeDefined()
  expect(ended.body).toMatch(/^event: end$/m)
  expect(ended.body).toContain('credential_ended')
  const [record] = await site.decisions(to, { reason: 'session_credential_ended' })
  expect(record).toMatchObject({ guard: 'bearer.session', layer: 'session', verdict: 'refused' })

  const lives = await own!
  expect(lives.status).toBe(200)
  expect(lives.endedAfterMs).toBeUndefined()
  expect((await ask(site, where)).status).toBe(401)
})
