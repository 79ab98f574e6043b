import { expect, nearMiss, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth')

test('another path', async ({ site, credential }) => {
  const right = credential('peer-b-to-a')

  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()
  for (const path of ['/', '/v1/peering/', '/v1/Peering', '/v1/state']) {
    expect(await site.call('node-b', 'node-a', 'peering:connect', right, { path })).toBeRefused({
      status: 404,
      error: 'not_found',
      reason: 'upgrade_invalid',
      guard: 'peer.upgrade',
    })
  }
})

test('another host', async ({ site, credential }) => {
  const right = credential('peer-b-to-a')
  const bearer = ['Authorization', `Bearer ${await right.token()}`] as const

  for (const host of [site.node('node-b').host, 'localhost', `${site.node('node-a').host}:1`]) {
    const headers = [['Host', host] as const, bearer]
    expect(await site.call('node-b', 'node-a', 'peering:connect', right, { headers })).toBeRefused({
      status: 421,
      error: 'misdirected_request',
      reason: 'host_mismatch',
      guard: 'peer.upgrade',
    })
  }
})

const subprotocol = 'holdfast-peering.v1'
const without = (name: string) => (text: string) => text.replace(new RegExp(`^${name}: .*\\r\\n`, 'im'), '')
const saying = (name: string, value: string) => (text: string) =>
  text.replace(new RegExp(`^${name}: .*`, 'im'), `${name}: ${value}`)
const offering = (value: string) => saying('Sec-WebSocket-Protocol', value)
const asking = [400, 'invalid_request'] as const
const insisting = [426, 'upgrade_required'] as const

const upgrades: [what: string, change: (text: string) => string, answer: readonly [status: number, error: string]][] = [
  ['that is no GET', (text) => text.replace('GET', 'POST'), asking],
  ['that asks for no upgrade', saying('Connection', 'close'), insisting],
  ['to another protocol', saying('Upgrade', 'h2c'), insisting],
  ['of another version', saying('Sec-WebSocket-Version', '12'), insisting],
  ['of no version', without('Sec-WebSocket-Version'), insisting],
  ['without a key', without('Sec-WebSocket-Key'), asking],
  ['with a key of 15 bytes', saying('Sec-WebSocket-Key', 'aG9sZGZhc3QgYnkgaGFu'), asking],
  ['with more before the key', saying('Sec-WebSocket-Key', 'xaG9sZGZhc3QgYnkgaGFuZA=='), asking],
  ['with more behind the key', saying('Sec-WebSocket-Key', 'aG9sZGZhc3QgYnkgaGFuZA==x'), asking],
  ['without a subprotocol', without('Sec-WebSocket-Protocol'), asking],
  ['with a subprotocol of two words', offering(`${subprotocol}, a b`), asking],
  ['with a subprotocol in brackets', offering(`${subprotocol}, (x)`), asking],
  ['with a subprotocol in one bracket', offering(`${subprotocol}, x(`), asking],
  ['with an empty subprotocol', offering(`${subprotocol},`), asking],
  ['with the subprotocol twice', offering(`${subprotocol}, ${subprotocol}`), asking],
  ...(['without its last character', 'with more behind it', 'in another case'] as const).map(
    (name): (typeof upgrades)[number] => [
      `with the subprotocol ${name}`,
      offering(String(nearMiss(name, subprotocol))),
      asking,
    ],
  ),
]

test.for(upgrades)('an upgrade %s', async ([, change, [status, error]], { site, credential }) => {
  const right = credential('peer-b-to-a')
  const upgrade = (changed: (text: string) => string) =>
    site.call('node-b', 'node-a', 'peering:connect', right, { raw: { bytes: (text) => [changed(text)] } })

  // Names of protocols have no case, and the one that is wanted may be any of a list (RFC 6455 section 4.2.1).
  const otherwise = (text: string) => saying('Upgrade', 'WebSocket')(offering(`other , ${subprotocol}`)(text))
  expect(await upgrade(otherwise)).toBeAccepted()
  const refused = { status, error, reason: 'upgrade_invalid', guard: 'peer.upgrade' }
  expect(await upgrade(change)).toBeRefused(refused)
})
