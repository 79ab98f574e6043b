import { createDecipheriv, createPrivateKey, hkdfSync } from 'node:crypto'
import { expect, putFile, scenario } from 'holdfast/vitest'
import { type Asking, lend } from '../asking.ts'
import { type Federation, federation, type Needle, places } from '../federation.ts'

const test = scenario('federation', { own: true }).extend('federation', federation)

interface Sealed extends Record<string, unknown> {
  readonly id: string
  readonly peer_id: string
  readonly sealed_key: string
}

const sealedKeys = async (federation: Federation, peers: readonly Pick<Asking, 'peerId'>[]): Promise<Sealed[]> => {
  const text = 'SELECT id, peer_id, sealed_key FROM federation_peer_credentials WHERE peer_id = ANY($1)'
  return (await federation.database('a')).query<Sealed>(text, [peers.map(({ peerId }) => peerId)])
}

/** Opens a seal by what is said of it, apart from the program that made it. */
async function opened(federation: Federation, { id, peer_id: peer, sealed_key: envelope }: Sealed): Promise<Buffer> {
  const secret = (await federation.site.node('gateway-a').readFile(places.sealingSecret)).trim()
  const [{ value } = { value: '' }] = await (await federation.database('a')).query<{ value: string }>(
    `SELECT value FROM settings WHERE key = 'salt'`,
  )
  const key = Buffer.from(
    hkdfSync('sha256', secret, Buffer.from(value, 'base64'), 'federation-gateway/peer-key/v1', 32),
  )
  const [version, kid, ...parts] = envelope.split('.')
  const [nonce, ciphertext, tag] = parts.map((part) => Buffer.from(part, 'base64url')) as [Buffer, Buffer, Buffer]
  const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAuthTag(tag)
  decipher.setAAD(Buffer.from(`federation_peer_credentials|${id}|${peer}|${version}|${kid}`))
  return Buffer.concat([decipher.update(ciphertext), decipher.final()])
}

/** The secret part of a P-256 key, in two: in PEM the first ends with a line. The same stands in DER, and in a JWK. */
function needlesOf(name: string, key: ReturnType<typeof createPrivateKey>): Needle[] {
  const d = Buffer.from(key.export({ format: 'jwk' }).d!, 'base64url')
  return [d.subarray(0, 12), d.subarray(12)].map((bytes, at) => ({ name: `${name} ${at}`, bytes }))
}

test('it is on no disk but sealed, each under a nonce of its own (FED-41)', async ({ federation }) => {
  const peers = [await lend(federation), await lend(federation), await lend(federation)]
  const sealed = await sealedKeys(federation, peers)
  expect(sealed).toHaveLength(3)
  expect(new Set(sealed.map(({ sealed_key: one }) => one.split('.')[2])).size).toBe(3)

  const keys = await Promise.all(
    sealed.map(async (one) => createPrivateKey({ key: await opened(federation, one), format: 'der', type: 'pkcs8' })),
  )
  // A key that lies there as PEM, and the seals, are found by the same search.
  const own = createPrivateKey(await federation.site.node('gateway-a').readFile('credentials/gateway-a-tls/key.pem'))
  const theirs = keys.flatMap((key, at) => needlesOf(`key of peer ${at}`, key))
  const ciphertexts = sealed.map(({ sealed_key: one }) => one)
  const { found } = await federation.disk('a').find(...theirs, ...needlesOf('own key', own), ...ciphertexts)
  const needles = new Set(found.map(({ needle }) => needle))
  expect(needles).toEqual(new Set(['own key 0', 'own key 1', ...ciphertexts]))
  // Nothing tells even that there is one.
  const admin = await federation.asAdmin('a')
  const told = JSON.stringify([await admin.ask('peer:list'), await admin.ask('status:read')])
  expect(told + federation.site.node('gateway-a').logs().join('\n')).not.toMatch(/fgk1|PRIVATE KEY/)
})

/** One byte of a part is another. */
const flipped = (at: number) => (envelope: string) => {
  const parts = envelope.split('.')
  const bytes = Buffer.from(parts[at]!, 'base64url')
  bytes[0]! ^= 1
  parts[at] = bytes.toString('base64url')
  return parts.join('.')
}
const cut = (envelope: string) => envelope.slice(0, -2)
const changes: Record<string, (envelope: string, other: string) => string> = {
  'another version': (envelope) => envelope.replace('fgk1', 'fgk2'),
  'a key that nobody knows': (envelope) => envelope.replace(/^fgk1\.[0-9a-f]{16}/, 'fgk1.0123456789abcdef'),
  'another nonce': flipped(2),
  'another ciphertext': flipped(3),
  'another tag': flipped(4),
  'a shorter tag': cut,
  'the seal of another peer': (_, other) => other,
  'the key as it is': () => 'MHcCAQEEIE1',
}

test('what was changed or moved opens no more, and disturbs no other (FED-42, FED-43)', async ({ federation }) => {
  const good = await lend(federation)
  const bad = await Promise.all(Object.keys(changes).map(() => lend(federation)))
  const database = await federation.database('a')
  const [other] = await sealedKeys(federation, [good])
  for (const [at, change] of Object.values(changes).entries()) {
    const [row] = await sealedKeys(federation, [bad[at]!])
    const text = change(row!.sealed_key, other!.sealed_key)
    expect(text).not.toBe(row!.sealed_key)
    await database.query('UPDATE federation_peer_credentials SET sealed_key = $1 WHERE id = $2', [text, row!.id])
  }
  await restarted(federation)

  const admin = await federation.asAdmin('a')
  const state = async ({ peerId }: Asking) => (await admin.ask('peer:show', { parameters: { id: peerId } })).state
  for (const [at, what] of Object.keys(changes).entries()) {
    const reply = await bad[at]!.user.search('mark', { source: bad[at]!.source })
    expect([reply.status, await federation.reason(reply, 'a')], what).toEqual([503, 'peer_broken'])
    expect(await state(bad[at]!), what).toBe('broken')
  }
  expect((await good.user.search('mark', { source: good.source })).value._partial).toBe(false)
  expect(await state(good)).toBe('active')
  const { checks } = await (await federation.asOperator('a')).ask('doctor:run')
  const check = checks.find(({ id }) => id === 'seal.rows-readable')
  expect(check).toMatchObject({ status: 'fail' })
  expect(bad.filter(({ peerId }) => !JSON.stringify(check).includes(peerId)).length).toBeLessThan(bad.length)
})

test('by another secret none opens, and what is enrolled then does (FED-43)', async ({ federation }) => {
  const before = await lend(federation)
  expect((await before.user.search('mark', { source: before.source })).status).toBe(200)
  await putFile(
    federation.site,
    'gateway-a',
    places.sealingSecret,
    Buffer.alloc(33, crypto.randomUUID()).toString('base64url'),
  )
  await restarted(federation)

  const reply = await before.user.search('mark', { source: before.source })
  expect([reply.status, await federation.reason(reply, 'a')]).toEqual([503, 'peer_broken'])
  const after = await lend(federation)
  expect((await after.user.search('mark', { source: after.source })).value._partial).toBe(false)
})

async function restarted({ site }: Federation): Promise<void> {
  const node = site.node('gateway-a')
  await node.stop('gateway')
  await node.start('gateway')
}
