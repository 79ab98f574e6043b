import { credentialOf, expect, rogueAuthority, type ScenarioSite, scenario, spoiled, unspoiled } from 'holdfast/vitest'

const test = scenario('shared-auth', { own: true })

/** Begins a handshake, says that it believes nobody there (RFC 8446 section 6.2: fatal, unknown_ca), and waits for what becomes of it. */
const alerting = `
const [host, port, servername] = process.argv.slice(1)
const [ours, theirs] = require('node:stream').duplexPair()
require('node:tls').connect({ socket: ours, servername }).on('error', () => {})
theirs.once('data', (hello) => {
  const socket = require('node:net').connect({ host, port: Number(port) })
  socket.write(Buffer.concat([hello, Buffer.from([21, 3, 3, 0, 2, 2, 48])]))
  socket.on('error', () => {}).resume().on('close', () => { process.stdout.write('left alone'); process.exit(0) })
})`

/** Holds the only lock for writing until it is ended, as a backup that got stuck would. */
const hold = `
const { DatabaseSync } = require('node:sqlite')
const database = new DatabaseSync(process.argv[1])
database.exec('PRAGMA busy_timeout = 2000; BEGIN IMMEDIATE')
setTimeout(() => database.exec('ROLLBACK'), 2500)`

test('no certificate, and one of another CA, are not heard on the operator listener', async ({ site, credential }) => {
  const operator = credential('operator')
  const stranger = await unspoiled({
    authority: await rogueAuthority(),
    subject: 'operator.somebiz.local.io',
    sans: ['operator.somebiz.local.io'],
  })
  const gate = { guard: 'operator.tls' }

  const bare = operator.withoutCertificate()
  expect(await site.call('auth', 'auth', 'operator:list', bare)).toBeRefused({ ...gate, reason: 'cert_missing' })
  const foreign = operator.withCertificate(stranger, 'of another CA')
  expect(await site.call('auth', 'auth', 'operator:list', foreign)).toBeRefused({ ...gate, reason: 'cert_untrusted' })
})

test.for([
  ['expired', 'cert_expired'],
  ['notYetValid', 'cert_not_yet_valid'],
  ['serverAuthOnly', 'cert_eku_invalid'],
  ['weakKey', 'cert_weak'],
] as const)(
  'nor is an operator certificate of the own CA that is %s',
  async ([spoiling, reason], { site, credential }) => {
    const names = { subject: 'operator.somebiz.local.io', sans: ['operator.somebiz.local.io'] }
    const authority = await site.authority('ca')
    const operator = credential('operator')
    const spoilt = operator.withCertificate(() => spoiled[spoiling]({ authority, ...names }), spoiling)

    expect(await site.call('auth', 'auth', 'operator:list', operator)).toBeAccepted()
    expect(await site.call('auth', 'auth', 'operator:list', spoilt)).toBeRefused({ guard: 'operator.tls', reason })
  },
)

test('what is no TLS, and a request whose end is in doubt, are not heard, and stand on record', async ({
  site,
  credential,
}) => {
  const operator = credential('operator')
  const twoEnds = (text: string) => [text.replace('\r\n', '\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n')]

  expect(await site.call('auth', 'auth', 'operator:list', operator)).toBeAccepted()
  const plain = { bytes: (text: string) => [text], isPlain: true }
  expect(await site.call('auth', 'auth', 'operator:list', operator, { raw: plain })).toBeRefused({
    guard: 'tls.handshake',
    reason: 'handshake_failed',
  })
  const doubtful = await site.call('auth', 'auth', 'operator:list', operator, { raw: { bytes: twoEnds } })
  expect(doubtful).toBeRefused({ status: 400, guard: 'http.form', reason: 'request_unreadable' })
})

test.for([
  { node: 'auth', port: 8443, action: 'operator:list', own: 'operator' },
  { node: 'node-a', port: 9443, action: 'peering:connect', own: 'node-b' },
])('an alert amid the handshake is the verdict of the caller, and none of $node', async (way, { site, credential }) => {
  const { node, port, action } = way
  const failed = async () => (await site.decisions(node, { guard: 'tls.handshake' })).length
  const before = await failed()

  const at = site.node(node)
  const told = await at.exec([process.execPath, '-e', alerting, at.address, `${port}`, at.host])
  expect(told).toMatchObject({ code: 0, stdout: 'left alone' })
  const plain = { bytes: (text: string) => [text], isPlain: true }
  const refused = { guard: 'tls.handshake', reason: 'handshake_failed' }
  expect(await site.call('auth', node, action, credential(way.own), { raw: plain })).toBeRefused(refused)
  expect(await failed()).toBe(before + 1)
})

test('while nothing can be kept, nothing is minted', async ({ site, credential }) => {
  const operator = credential('operator')
  const json = await orderFor(site, await credential('node-b').thumbprint())
  expect(await site.call('auth', 'auth', 'operator:mint', operator, { json })).toBeAccepted()

  const holding = site.node('auth').exec([process.execPath, '-e', hold, 'units/auth/state/auth.db'])
  const refused = async () => {
    const verdict = await site.call('auth', 'auth', 'operator:mint', operator, { json })
    return verdict.verdict === 'refused' && verdict
  }
  const verdict = await site.until('the storage takes no writes', refused, { withinMs: 5_000 })

  expect(verdict).toBeRefused({
    status: 503,
    error: 'storage_unavailable',
    reason: 'storage_unavailable',
    guard: 'storage.write',
  })
  expect(await holding).toMatchObject({ code: 0 })
  expect(await site.call('auth', 'auth', 'operator:mint', operator, { json })).toBeAccepted()
})

test('with a certificate for another name it does not start, and says so', async ({ site }) => {
  const node = site.node('auth')
  const folder = site.pathOf('cert-auth')
  const own = { cert: await node.readFile(`${folder}/cert.pem`), key: await node.readFile(`${folder}/key.pem`) }
  const put = async (certPem: string, keyPem: string) => {
    await node.exec(['tee', `${folder}/cert.pem`], { input: certPem })
    await node.exec(['tee', `${folder}/key.pem`], { input: keyPem })
  }
  const names = { subject: 'other.somebiz.local.io', sans: ['other.somebiz.local.io'] }
  const other = await unspoiled({ authority: await site.authority('ca'), ...names })
  const tap = await site.tap('auth')
  await node.stop('auth')
  await put(other.certPem, other.keyPem)

  await expect(node.start('auth')).rejects.toThrow()

  expect(await tap.decisions({ layer: 'start-up' })).toMatchObject([
    { verdict: 'refused', guard: 'start.config', reason: 'config_invalid' },
  ])
  expect(tap.logs().join('\n')).toMatch(/config_invalid: .*has no DNS SAN/)
  await put(own.cert, own.key)
  await node.start('auth')
})

async function orderFor(site: ScenarioSite, thumbprint: string): Promise<Record<string, unknown>> {
  const { mint } = credentialOf(site.plan, 'bound-token', 'node-b').mint
  return { ...(mint?.json as Record<string, unknown>), 'x5t#S256': thumbprint }
}
