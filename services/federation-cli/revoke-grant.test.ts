import { expect, test } from 'vitest'
import { CommandFailed } from './failure.ts'
import type { Gateway } from './gateway.ts'
import { revokeGrant } from './revoke-grant.ts'
import { aGrant, GRANT_ID } from './testing/things.ts'

const queued = aGrant({ status: 'revoked', certificateRevocation: 'queued' })

function gatewayThat(shows: () => typeof queued): Gateway & { asked: number } {
  const gateway = {
    asked: 0,
    async ask(action: string, { deadlineMs }: { deadlineMs?: number } = {}) {
      if (action === 'grant:revoke') return queued
      gateway.asked += 1
      expect(deadlineMs).toBeLessThanOrEqual(400)
      return shows()
    },
    close() {},
  }
  return gateway as never
}

test('a CA that does not hear is waited for no longer than that, and requests are said to be refused already', async () => {
  const gateway = gatewayThat(() => queued)
  const started = performance.now()
  const { grant, pending } = await revokeGrant(gateway, { id: GRANT_ID, wait: true }, 400)
  expect(performance.now() - started).toBeLessThan(2_000)
  expect([grant, gateway.asked]).toEqual([queued, expect.any(Number)])
  expect(gateway.asked).toBeGreaterThan(1)
  expect(pending).toBe(
    `grant ${GRANT_ID} is revoked and every request is refused already; its certificates are not in the list of revoked ones after 0.4 s: see that the CA runs (federation status), and look again with federation grant show ${GRANT_ID}`,
  )
})

test('a gateway that is not heard meanwhile is asked again, and what was last is told', async () => {
  let asked = 0
  const back = gatewayThat(() => {
    asked += 1
    if (asked === 1) throw new CommandFailed('server_unreachable', 'no answer', 3)
    return { ...queued, certificateRevocation: 'effective' }
  })
  expect((await revokeGrant(back, { id: GRANT_ID, wait: true }, 400)).pending).toBeUndefined()
  const away = gatewayThat(() => {
    throw new CommandFailed('server_unreachable', 'no answer', 3)
  })
  expect((await revokeGrant(away, { id: GRANT_ID, wait: true }, 400)).pending).toContain(
    '(the gateway was not heard last: no answer)',
  )
})

test('nobody waits who need not', async () => {
  const gateway = gatewayThat(() => queued)
  expect((await revokeGrant(gateway, { id: GRANT_ID, wait: false }, 400)).pending).toBeUndefined()
  expect(gateway.asked).toBe(0)
})
