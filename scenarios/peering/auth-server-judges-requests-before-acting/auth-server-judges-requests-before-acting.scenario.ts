import { type CallOptions, expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('shared-auth')

function formFor(site: ScenarioSite): Record<string, string> {
  const resource = site.plan.credentials['node-b']?.resource ?? ''
  return { grant_type: 'client_credentials', client_id: 'node-b', resource }
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

  const answers = await Promise.all(Array.from({ length: 6 }, () => operator.post('/operator/v1/keys/rotate', order)))

  const others = answers.filter(({ status }) => status !== 200)
  expect(others.length).toBeGreaterThan(0)
  for (const other of others) expect(other).toMatchObject({ status: 409, json: { error: 'conflict' } })
  const refused = await site.decisions('auth', { guard: 'keys.rotate', reason: 'rotation_in_progress' })
  expect(refused).toHaveLength(others.length)
})
