import { expect, scenario } from 'holdfast/vitest'

const test = scenario('shared-auth')
const misdirected = { status: 421, error: 'misdirected_request', reason: 'host_mismatch' }

/** Which of our two names a caller means is not for us to choose: `Host` stands once (RFC 9112 section 3.2). */
const lines = [
  ['host_repeated', (text: string) => [text.replace(/^host: .*\r\n/im, (line) => `${line}Host: other.test\r\n`)]],
  ['host_missing', (text: string) => [text.replace(/^host: .*\r\n/im, '')]],
] as const

test.for(lines)('at both APIs, %s', async ([reason, bytes], { site, credential }) => {
  const [own, operator] = [credential('node-a'), credential('operator')]
  const expected = { status: 400, error: 'invalid_request', reason }
  const raw = { bytes }

  expect(await site.call('node-a', 'node-a', 'node:read', own)).toBeAccepted()
  const atNode = await site.call('node-a', 'node-a', 'node:read', own, { raw })
  expect(atNode).toBeRefused({ ...expected, guard: 'local.host' })
  expect(await site.call('auth', 'auth', 'operator:list', operator)).toBeAccepted()
  const atAuth = await site.call('auth', 'auth', 'operator:list', operator, { raw })
  expect(atAuth).toBeRefused({ ...expected, guard: 'request.host' })
})

test('the local API of a node', async ({ site, credential }) => {
  const own = credential('node-a')
  const bearer = ['Authorization', `Bearer ${await own.token()}`] as const

  for (const host of [site.node('node-b').host, 'localhost', '127.0.0.1']) {
    const headers = [['Host', host] as const, bearer]
    expect(await site.call('node-a', 'node-a', 'node:read', own, { headers })).toBeRefused({
      ...misdirected,
      guard: 'local.host',
    })
  }
})

test.for(['operator:list', 'operator:keys'])('%s of the auth server', async (action, { site, credential }) => {
  const operator = credential('operator')

  for (const host of [site.node('node-a').host, 'localhost']) {
    const headers = [['Host', host] as const]
    expect(await site.call('auth', 'auth', action, operator, { headers })).toBeRefused({
      ...misdirected,
      guard: 'request.host',
    })
  }
})
