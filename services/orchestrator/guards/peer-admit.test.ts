import { expect, test } from 'vitest'
import type { UpgradeContext } from '../call-context.ts'
import type { Peer } from '../peers.ts'
import { SessionPlaces } from '../session-places.ts'
import { peerAdmit } from './peer-admit.ts'

test.each<[string, Partial<Peer> | undefined, string | undefined]>([
  ['is there', { enabled: true }, undefined],
  ['is switched off', { enabled: false }, 'peer_disabled'],
  ['was taken away while the auth server was asked about its token', undefined, 'peer_disabled'],
])('a proven peer that %s', async (_, peer, reason) => {
  const context = {
    policy: { mode: 'both' },
    decoded: { header: {}, payload: { sub: 'node-b' } },
    places: new SessionPlaces(1),
    peerNamed: () => peer,
  } as unknown as UpgradeContext

  expect((await peerAdmit.check(context))?.reason).toBe(reason)
  expect(context.place === undefined).toBe(reason !== undefined)
})
