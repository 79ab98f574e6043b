import { expect, scenario } from 'holdfast/vitest'
import { lend } from '../asking.ts'
import { federation, places, requestFor } from '../federation.ts'

const test = scenario('federation').extend('federation', federation)

/** What stands between the lines of a PEM, which is what would be found of it in any other form. */
const inner = (pem: string) => pem.replaceAll(/-----[^-]+-----|\s/g, '').slice(20, 80)

test('GEN-29: neither in logs, nor in records, nor in the audit, nor in what administrators see', async ({
  federation,
  site,
}) => {
  const asking = await lend(federation)
  const peer = await federation.asPeer('scope-all', { allowSensitive: true })
  const invited = await federation.invite()
  const secrets: Record<string, string> = {
    'token of an enrolment that failed': invited.token,
    'token of an enrolment that was done': peer.grant.token,
    'token of a user': asking.user.token,
    'key of a peer': inner(peer.identity.keyPem),
  }
  for (const letter of ['a', 'b']) {
    const node = site.node(`gateway-${letter}`)
    const { tls, databaseUrlFile } = JSON.parse(await node.readFile(places.configuration)) as {
      tls: { key: string }
      databaseUrlFile: string
    }
    secrets[`operator of ${letter}`] = (await node.readFile(places.operatorToken)).trim()
    secrets[`sealing secret of ${letter}`] = (await node.readFile(places.sealingSecret)).trim()
    secrets[`administrator of ${letter}`] = (await federation.asAdmin(letter)).token
    secrets[`server key of ${letter}`] = inner(await node.readFile(tls.key))
    secrets[`password of the database of ${letter}`] = new URL((await node.readFile(databaseUrlFile)).trim()).password
  }
  // What is accepted, what is refused in each way, and what cannot be read.
  const row = federation.seed('b').visible('alice', 'tasks')[0]!
  const anybody = await federation.asAdmin('b')
  await peer.list('credentials')
  await peer.get('tasks', row)
  await peer.search('task')
  await peer.renew((await requestFor('somebody.else.example')).csrPem)
  await federation.redeem(invited, 'no request at all')
  await federation.redeem({ ...peer.grant, request: invited.request })
  await anybody.call('POST', `/api/federation/enrollment/${invited.token}`, { csrPem: 7 })
  await asking.user.list('tasks', { source: asking.source })
  await asking.user.search('task', { source: 'all' })
  await asking.user.get(`/api/admin/federation/peers?token=${asking.user.token}`)
  await anybody.revoke(peer.grant.grantId)
  expect((await peer.list('tasks')).status).not.toBe(200)

  const told: Record<string, string> = {}
  for (const letter of ['a', 'b']) {
    const admin = await federation.asAdmin(letter)
    // What a program tells its operator on a terminal is not among them: it names teams.
    told[`log of ${letter}`] = site.node(`gateway-${letter}`).logs('gateway').join('\n')
    told[`records of ${letter}`] = JSON.stringify(await site.decisions(`gateway-${letter}`))
    told[`audit of ${letter}`] = JSON.stringify(await federation.audit(letter))
    for (const action of ['peer:list', 'grant:list', 'status:read', 'audit:read', 'user:list'] as const) {
      told[`${action} at ${letter}`] = (await admin.try(action)).body
    }
  }
  for (const [name, text] of Object.entries(told)) expect(text.length, name).toBeGreaterThan(10)
  const markers = [...federation.seed('b').markers(), ...federation.seed('a').markers()]
  const found = Object.entries(told).flatMap(([place, text]) => [
    ...Object.entries(secrets).flatMap(([what, secret]) => (text.includes(secret) ? [`${what} in ${place}`] : [])),
    // Names of users are for administrators to see.
    ...(place.startsWith('user:')
      ? []
      : markers.filter((marker) => text.includes(marker)).map((one) => `${one} in ${place}`)),
  ])
  expect(found).toEqual([])
  expect(Object.values(secrets).every((secret) => secret.length >= 16)).toBe(true)
})
