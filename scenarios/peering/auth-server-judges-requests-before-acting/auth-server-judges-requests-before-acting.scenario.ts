import { type CallOptions, credentialOf, expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('shared-auth', { own: true })

function formFor(site: ScenarioSite): Record<string, string> {
  const resource = credentialOf(site.plan, 'bound-token', 'node-b').resource
  return { grant_type: 'client_credentials', client_id: 'node-b', resource }
}

/** The same request with another body, as bytes. */
function withBody(change: (body: string) => string): CallOptions['raw'] {
  return {
    bytes(text) {
      const [head = '', body = ''] = text.split('\r\n\r\n')
      const next = change(body)
      return [`${head.replace(/^content-length: .*$/im, `Content-Length: ${next.length}`)}\r\n\r\n${next}`]
    },
  }
}

const requests: [
  what: string,
  change: (form: Record<string, string>) => CallOptions,
  expected: { status: number; error: string; reason: string; guard: string },
][] = [
  [
    'another grant type',
    (form) => ({ form: { ...form, grant_type: 'authorization_code' } }),
    { status: 400, error: 'unsupported_grant_type', reason: 'grant_unsupported', guard: 'token.grant' },
  ],
  [
    'a resource that it may not ask for',
    (form) => ({ form: { ...form, resource: 'https://evil.test' } }),
    { status: 400, error: 'invalid_target', reason: 'target_invalid', guard: 'token.grant' },
  ],
  [
    'a scope that it may not ask for',
    (form) => ({ form: { ...form, scope: 'operator' } }),
    { status: 400, error: 'invalid_scope', reason: 'scope_invalid', guard: 'token.grant' },
  ],
  [
    'JSON where a form belongs',
    (form) => ({ body: JSON.stringify(form) }),
    { status: 415, error: 'invalid_request', reason: 'media_type_unsupported', guard: 'request.form' },
  ],
  [
    'a body of 70 000 bytes',
    (form) => ({ form: { ...form, scope: 'x'.repeat(70_000) } }),
    { status: 413, error: 'invalid_request', reason: 'body_too_large', guard: 'request.form' },
  ],
  [
    'bytes that are no UTF-8',
    (form) => ({ form, raw: withBody((body) => `${body}&scope=\xff`) }),
    { status: 400, error: 'invalid_request', reason: 'body_malformed', guard: 'request.form' },
  ],
  [
    'two clients',
    (form) => ({ form, raw: withBody((body) => `${body}&client_id=node-a`) }),
    { status: 400, error: 'invalid_request', reason: 'parameter_repeated', guard: 'request.form' },
  ],
  [
    'a path that is not there',
    (form) => ({ form, path: '/token/' }),
    { status: 404, error: 'not_found', reason: 'path_unknown', guard: 'request.route' },
  ],
  [
    'another method',
    (form) => ({ form, method: 'PUT' }),
    { status: 405, error: 'invalid_request', reason: 'method_not_allowed', guard: 'request.route' },
  ],
]

test.for(requests)('a token request with %s', async ([, change, expected], { site, credential }) => {
  const own = credential('cert-node-b')
  const form = formFor(site)

  expect(await site.call('node-b', 'auth', 'token:request', own, { form })).toBeAccepted()
  expect(await site.call('node-b', 'auth', 'token:request', own, change(form))).toBeRefused(expected)
})

const orders: [what: string, change: CallOptions, expected: { status: number; reason: string }][] = [
  ['a form where JSON belongs', { form: { clientId: 'node-b' } }, { status: 415, reason: 'media_type_unsupported' }],
  ['70 000 bytes', { body: JSON.stringify('x'.repeat(70_000)) }, { status: 413, reason: 'body_too_large' }],
  ['half an object', { body: '{"clientId":' }, { status: 400, reason: 'body_malformed' }],
  ['a member twice', { body: '{"clientId":"node-a","clientId":"node-b"}' }, { status: 400, reason: 'body_malformed' }],
]

test.for(orders)('an order with %s', async ([, change, expected], { site, credential }) => {
  const thumbprint = await credential('node-b').thumbprint()
  const json = {
    ...(credentialOf(site.plan, 'bound-token', 'node-b').mint.mint.json as object),
    'x5t#S256': thumbprint,
  }
  const operator = credential('operator')

  expect(await site.call('auth', 'auth', 'operator:mint', operator, { json })).toBeAccepted()
  const verdict = await site.call('auth', 'auth', 'operator:mint', operator, change)
  expect(verdict).toBeRefused({ ...expected, error: 'invalid_request', guard: 'request.json' })
})

test('a question about no token', async ({ site, credential }) => {
  const own = credential('node-b')
  const token = await own.token()
  const ask = (form: Record<string, string>) => {
    const path = '/token/introspection'
    return site.call('node-b', 'auth', 'token:request', own, { path, form: { client_id: 'node-b', ...form } })
  }

  expect(await ask({ token })).toBeAccepted()
  expect(await ask({})).toBeRefused({
    status: 400,
    error: 'invalid_request',
    reason: 'parameter_missing',
    guard: 'request.form',
  })
})

test('each scope of a request must be one of the grant, and any of them may be asked for', async ({
  site,
  credential,
}) => {
  const own = credential('cert-node-b')
  const ask = (scope: string) =>
    site.call('node-b', 'auth', 'token:request', own, { form: { ...formFor(site), scope } })
  const refused = { status: 400, error: 'invalid_scope', reason: 'scope_invalid', guard: 'token.grant' }

  for (const scope of ['node:read', 'node:read node:routes']) expect(await ask(scope)).toBeAccepted()
  for (const scope of ['node:read operator', 'operator node:read']) expect(await ask(scope)).toBeRefused(refused)
})

test('a method that begins as those that the path knows', async ({ site }) => {
  const operator = site.operator('auth')

  expect(await operator.get('/operator/v1/clients/node-b')).toMatchObject({ status: 200 })
  expect(await operator.post('/operator/v1/clients/node-b', {})).toMatchObject({ status: 405 })
})

/** So many more than now. */
async function refusals(site: ScenarioSite, guard: string, reason: string): Promise<() => Promise<number>> {
  const count = async () => (await site.decisions('auth', { guard, reason })).length
  const before = await count()
  return async () => (await count()) - before
}

test('a client and a token that are not there', async ({ site }) => {
  const operator = site.operator('auth')
  const told = await refusals(site, 'operator.object', 'object_unknown')

  expect(await operator.get('/operator/v1/clients/node-b')).toMatchObject({ status: 200 })
  expect(await operator.get('/operator/v1/clients/nobody')).toMatchObject({ status: 404, json: { error: 'not_found' } })
  const jti = 'nothing-of-this-name'
  expect(await operator.post('/operator/v1/tokens/revoke', { jti })).toMatchObject({ status: 404 })
  expect(await told()).toBe(2)
})

test.for(['limit=0', 'limit=1&limit=2', 'state=any', 'unknown=1'])(
  'a list with %s',
  async (query, { site, credential }) => {
    const operator = credential('operator')

    expect(await site.call('auth', 'auth', 'operator:list', operator)).toBeAccepted()
    const path = `/operator/v1/tokens?${query}`
    expect(await site.call('auth', 'auth', 'operator:list', operator, { path })).toBeRefused({
      status: 400,
      error: 'invalid_request',
      reason: 'query_invalid',
      guard: 'request.query',
    })
  },
)

test('of rotations at once only one begins, and the others are told', async ({ site }) => {
  const operator = site.operator('auth')
  const order = { mode: 'grace', alg: 'PS256' }
  const told = await refusals(site, 'keys.rotate', 'rotation_in_progress')

  const answers = await Promise.all(Array.from({ length: 6 }, () => operator.post('/operator/v1/keys/rotate', order)))

  const others = answers.filter(({ status }) => status !== 200)
  expect(others.length).toBeGreaterThan(0)
  expect(others.length).toBeLessThan(answers.length)
  for (const other of others) expect(other).toMatchObject({ status: 409, json: { error: 'conflict' } })
  expect(await told()).toBe(others.length)
})
