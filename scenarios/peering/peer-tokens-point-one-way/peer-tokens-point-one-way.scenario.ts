import { expect, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth')

for (const [self, other] of [
  ['a', 'b'],
  ['b', 'a'],
] as const) {
  test(`node-${self} does not accept the token for calling node-${other}`, async ({ site, credential }) => {
    const right = credential(`peer-${other}-to-${self}`)
    const outgoing = credential(`peer-${self}-to-${other}`)

    expect(await site.call(`node-${self}`, `node-${self}`, 'peering:connect', right)).toBeAccepted()
    expect(await site.call(`node-${self}`, `node-${self}`, 'peering:connect', right.withTokenOf(outgoing))).toBeRefused(
      {
        status: 401,
        error: 'invalid_token',
        reason: 'issuer_untrusted',
        guard: 'token.issuer',
      },
    )
  })

  test(`node-${self} does not peer with itself by its own node token`, async ({ site, credential }) => {
    const right = credential(`peer-${other}-to-${self}`)
    const own = credential(`node-${self}`)

    expect(await site.call(`node-${self}`, `node-${self}`, 'peering:connect', right)).toBeAccepted()
    expect(await site.call(`node-${self}`, `node-${self}`, 'node:read', own)).toBeAccepted()
    expect(await site.call(`node-${self}`, `node-${self}`, 'peering:connect', own)).toBeRefused({
      status: 401,
      error: 'invalid_token',
      reason: 'peer_unknown',
      guard: 'peer.identity',
    })
  })
}
