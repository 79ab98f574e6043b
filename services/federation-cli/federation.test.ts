import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { holdServer, json, liveRoot, liveServer } from '../federation-gateway/testing/live.ts'
import type { AdminAnswer } from '../federation-gateway/wire/admin.ts'
import { CHECK_IDS } from '../federation-gateway/wire/doctor.ts'
import { freePort } from '../shared/testing/service-process.ts'
import { errorBody, makeSite, OURS, type Site } from './testing/gateways.ts'
import { aGrant, alice, aPeer, aSummary, certificate, GRANT_ID, PEER_ID, USER_ID } from './testing/things.ts'

let site: Site
beforeAll(async () => {
  site = await makeSite()
})
afterAll(() => site[Symbol.asyncDispose]())
beforeEach(() => {
  site.answers = {}
  site.heard.length = 0
})

const asked = () => site.heard.map(({ action, body }) => ({ action, ...(body !== undefined && { body }) }))

describe('peers', () => {
  test('are registered, shown and removed; lists name their certificates, page by page', async () => {
    site.answers = {
      'peer:register': () => aPeer({ state: 'pending', certificates: [] }),
      'peer:show': () => aPeer(),
      'peer:remove': () => ({ id: PEER_ID, direction: 'inbound', state: 'revoked' }),
      'peer:list': (_, { url }) =>
        url.includes('cursor=')
          ? { items: [aPeer({ commonName: 'second.example' })], nextCursor: null }
          : { items: [aPeer()], nextCursor: `2026-01-31T09:00:00.000000Z_${PEER_ID}` },
    }
    const [registered, shown, listed, removed] = await Promise.all([
      site.run(['peer', 'register', 'gateway-a.example']),
      site.run(['peer', 'show', PEER_ID]),
      site.run(['peer', 'list']),
      site.run(['peer', 'remove', PEER_ID, '--json']),
    ])
    expect([registered.code, shown.code, listed.code, removed.code]).toEqual([0, 0, 0, 0])
    expect(registered.stdout).toContain('no certificate')
    expect(shown.stdout).toMatch(/^id +d0eebc99-/)
    expect(listed.stdout.split('\n')).toEqual([
      expect.stringMatching(/^ID +DIRECTION +COMMON NAME +STATE +X5T#S256 +SERIAL +EXPIRES$/),
      expect.stringContaining(
        `gateway-a.example  active  ${certificate['x5t#S256']}  ab0f    2026-01-31T09:00:00.000Z`,
      ),
      expect.stringContaining('second.example'),
      '',
    ])
    expect(JSON.parse(removed.stdout)).toEqual({ id: PEER_ID, direction: 'inbound', state: 'revoked' })
    expect(asked().find(({ action }) => action === 'peer:register')?.body).toEqual({ commonName: 'gateway-a.example' })
  })

  test('a tenant is said by whoever is for all', async () => {
    site.answers = { 'peer:list': () => ({ items: [], nextCursor: null }), 'doctor:run': () => good }
    await site.run(['--tenant', 'acme', 'peer', 'list'])
    await site.run(['doctor'], { env: { FEDERATION_TENANT: 'acme' } })
    expect(site.heard.map(({ url }) => URL.parse(url, site.ours.url)!.search)).toEqual(['?tenant=acme&limit=1000', ''])
  })
})

describe('grants', () => {
  test('are made for names, and told in words', async () => {
    site.answers = {
      'peer:list': () => ({
        items: [aPeer({ id: GRANT_ID, state: 'revoked' }), aPeer(), aPeer({ id: USER_ID, direction: 'outbound' })],
        nextCursor: null,
      }),
      'user:list': () => ({ items: [alice, { ...alice, id: GRANT_ID, name: 'bob' }] }),
      'grant:create': () => aGrant({ warnings: ['notes is granted and excluded: it is excluded'] }),
    }
    const scope = site.put('scope.json', '{"resources":["tasks"]}')
    const names = ['--user', 'alice', '--peer', 'gateway-a.example', '--scope', scope]
    const made = await site.run(['grant', 'create', ...names, '--expires', '2026-12-31', '--rate-limit', '5'])

    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(made.stdout).toContain('\n\nalice: own tasks; at most 100 rows\n! notes is granted and excluded')
    expect(site.heard.at(-1)?.body).toEqual({
      ...{ peerId: PEER_ID, subjectUserId: USER_ID, scope: { resources: ['tasks'] } },
      ...{ expiresAt: '2026-12-31T00:00:00.000000Z', rateLimit: 5 },
    })
  })

  test.each([
    ['a peer that is not there', ['--peer', 'x.example', '--user', USER_ID], 'there is no inbound peer x.example'],
    ['a user who is not there', ['--peer', PEER_ID, '--user', 'dave'], 'there is no user dave'],
  ])('for %s none is made', async (_, names, message) => {
    site.answers = {
      'peer:list': () => ({ items: [aPeer()], nextCursor: null }),
      'user:list': () => ({ items: [alice] }),
      'grant:create': () => aGrant(),
    }
    const scope = site.put('scope.json', '{"resources":["tasks"]}')
    const { code, stderr } = await site.run(['grant', 'create', ...names, '--scope', scope])
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(message) })
    expect(asked().map(({ action }) => action)).not.toContain('grant:create')
  })

  test('are found by peer and user, the live one of them', async () => {
    const items = [
      aSummary({ id: PEER_ID, status: 'revoked' }),
      aSummary(),
      aSummary({ id: USER_ID, subjectUserId: PEER_ID }),
    ]
    site.answers = {
      'peer:list': () => ({ items: [aPeer()], nextCursor: null }),
      'user:list': () => ({ items: [alice] }),
      'grant:list': () => ({ items, nextCursor: null }),
      'grant:show': () => aGrant(),
    }
    const show = () => site.run(['grant', 'show', 'gateway-a.example/alice'])

    expect(await show()).toMatchObject({ code: 0, stderr: '' })
    expect(site.heard.at(-1)?.url).toBe(`/api/admin/federation/grants/${GRANT_ID}`)
    items.push(aSummary({ id: PEER_ID, status: 'pending' }))
    expect((await show()).stderr).toContain(
      `there are 2 of grant gateway-a.example/alice: ${GRANT_ID}, ${PEER_ID}; say which, by its id`,
    )
    items.length = 0
    expect((await show()).stderr).toContain('there is no grant gateway-a.example/alice; see federation grant list')
  })

  test('all that is wrong with a scope is told, each with its place', async () => {
    const details = [
      { path: 'resources.0', message: 'must be one of tasks' },
      { path: '', message: 'is\nno object' },
    ]
    site.answers = { 'grant:scope': () => ({ refuse: 422, error: errorBody('invalid_scope', { details }) }) }
    const scope = site.put('scope.json', '{"resources":["x"]}')
    expect(await site.run(['grant', 'scope', GRANT_ID, '--scope', scope])).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'federation: invalid_scope: the gateway refused (422 invalid_scope, request f0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11): The text of its status.; resources.0: must be one of tasks; the document: is?no object\n',
    })
  })

  test('what a gateway says is no command for a terminal, wherever it stands', async () => {
    const [clear, line] = ['\u001b[2J', '\nfederation: done']
    site.answers = {
      'grant:show': () => aGrant({ effectiveScope: `alice${clear}${line}`, warnings: [`tasks${clear}${line}`] }),
      'grant:revoke': () => ({ refuse: 409, error: errorBody(`conflict${clear}${line}`) }),
    }
    const shown = await site.run(['grant', 'show', GRANT_ID])
    expect(shown.stdout).toContain('alice?[2J?federation: done\n! tasks?[2J?federation: done')
    const { code, stderr } = await site.run(['grant', 'revoke', GRANT_ID])
    expect([code, stderr.trimEnd()]).toEqual([
      1,
      expect.stringMatching(/^federation: conflict\?\[2J\?federation: done: /),
    ])
    expect(`${shown.stdout}${stderr}`).not.toContain('\u001b')
  })

  test('lists of them are narrowed by name and status', async () => {
    site.answers = {
      'peer:list': () => ({ items: [aPeer()], nextCursor: null }),
      'grant:list': () => ({ items: [aSummary({ status: 'active' })], nextCursor: null }),
    }
    const { code, stdout } = await site.run([
      'grant',
      'list',
      '--peer',
      'gateway-a.example',
      '--status',
      'active',
      '--json',
    ])
    expect([code, JSON.parse(stdout)]).toEqual([0, { grants: [aSummary({ status: 'active' })] }])
    expect(site.heard.at(-1)?.url).toContain(`?peer=${PEER_ID}&status=active&limit=1000`)
  })

  const token = {
    token: 'f'.repeat(64),
    enrollmentUrl: `https://b.example/api/federation/enrollment/${'f'.repeat(64)}#ca=sha256:${'a'.repeat(64)}`,
    expiresAt: '2026-01-31T09:00:00.000Z',
    caPem: 'PEM',
  }

  test('a token is shown once, or written where its owner alone can read it, and then not shown', async () => {
    site.answers = { 'grant:token': () => token }
    const shown = await site.run(['grant', 'token', GRANT_ID, '--ttl', '60'])
    expect(shown.stdout).toContain(token.enrollmentUrl)
    const out = join(site.folder, 'invitation.json')
    const written = await site.run(['grant', 'token', GRANT_ID, '--re-enrol', '--out', out])
    expect(written).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringContaining(`peer add --invitation ${out}`),
    })
    expect(written.stdout).not.toContain(token.token)
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(token)
    expect(statSync(out).mode & 0o777).toBe(0o600)
    expect(asked()).toEqual([
      { action: 'grant:token', body: { ttlSeconds: 60 } },
      { action: 'grant:token', body: { purpose: 're-enrolment' } },
    ])
    // What is there is never written over, and no token is made for it.
    const again = await site.run(['grant', 'token', GRANT_ID, '--out', out])
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('is there already') })
    expect(asked()).toHaveLength(2)
  })

  test('a token that was refused leaves no file', async () => {
    site.answers = { 'grant:token': () => ({ refuse: 409, error: errorBody('conflict') }) }
    const out = join(site.folder, 'refused.json')
    expect((await site.run(['grant', 'token', GRANT_ID, '--out', out])).code).toBe(1)
    expect(existsSync(out)).toBe(false)
  })

  test('revoke waits until the certificates are refused at TLS', async () => {
    let polls = 0
    const revoked = { status: 'revoked', certificateRevocation: 'queued' } as const
    site.answers = {
      'grant:revoke': () => aGrant(revoked),
      'grant:show': () => aGrant({ ...revoked, certificateRevocation: ++polls < 3 ? 'queued' : 'effective' }),
    }
    const { code, stdout } = await site.run(['grant', 'revoke', GRANT_ID, '--reason', 'left us', '--json'])
    expect([code, JSON.parse(stdout).certificateRevocation, polls]).toEqual([0, 'effective', 3])
    expect(asked()[0]?.body).toEqual({ reason: 'left us' })
    const unwaited = await site.run(['grant', 'revoke', GRANT_ID, '--no-wait', '--json'])
    expect([unwaited.code, JSON.parse(unwaited.stdout).certificateRevocation, polls]).toEqual([0, 'queued', 3])
  })
})

const good = {
  tier: 'federated' as const,
  ok: true,
  checks: CHECK_IDS.map((id) => ({ id, status: 'ok' as const, ms: 1, detail: 'good', remedy: null })),
}

describe('state', () => {
  test('doctor ends with 1 where something failed', async () => {
    site.answers = { 'doctor:run': () => good }
    expect(await site.run(['doctor'])).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing failed') })
    const checks = good.checks.with(0, { ...good.checks[0]!, status: 'fail', remedy: 'do this' } as never)
    site.answers = { 'doctor:run': () => ({ ...good, ok: false, checks }) }
    const failed = await site.run(['doctor'])
    expect(failed).toMatchObject({ code: 1, stdout: expect.stringMatching(/^fail +config.schema +1 +good; do this$/m) })
  })

  test('status tells of peers, of what waits and of alerts', async () => {
    site.answers = {
      'status:read': () => ({
        ...{
          tier: 'federated',
          publicName: 'gateway-b.example',
          grants: { active: 2, pending: 0, revoked: 0, expired: 0 },
        },
        unfinished: [{ grantId: GRANT_ID, at: '2026-01-31T09:00:00.000Z', reason: 'ca_timeout' }],
        revocations: { queued: 1, oldest: null, lastFailure: 'the CA does not answer' },
        audit: {
          ...{ queued: 0, stored: 9, dropped: 0, refilled: 0, rejected: 0 },
          isBehind: false,
          failingSince: null,
        },
        crl: { ageSeconds: 12.4, nextUpdate: '2026-01-31T10:00:00.000Z', failure: null },
        alerts: ['peer.degraded b.example'],
        peers: [
          {
            ...{ id: PEER_ID, direction: 'outbound', commonName: 'b.example', state: 'degraded', stateReason: null },
            ...{ certificateExpiresAt: null, lastSuccessAt: null, lastFailureAt: '2026-01-31T08:00:00.000Z' },
            ...{ lastFailureReason: 'peer_timeout', circuit: 'open', renewal: null, alerts: ['renewal_failed'] },
          },
        ],
      }),
    }
    const { code, stdout } = await site.run(['status'])
    expect(code).toBe(0)
    expect(stdout).toContain('revocations  1 wait for the CA (the CA does not answer)')
    expect(stdout).toContain(`! grant ${GRANT_ID} needs a new token`)
    expect(stdout).toContain('crl          12 s old')
    expect(stdout).toMatch(
      /outbound +b\.example +degraded .*2026-01-31T08:00:00\.000Z peer_timeout +open +renewal_failed/,
    )
  })

  test('audit shows rows, and how to go on', async () => {
    const row: AdminAnswer<'audit:read'>['items'][number] = {
      ...{ id: PEER_ID, at: '2026-01-31T09:00:00.000Z', requestId: 'r', direction: 'inbound', verb: 'list' },
      ...{ resource: 'tasks', queryHash: null, outcome: 'denied', status: 403, reason: 'grant_revoked' },
      ...{ tenantId: null, grantId: GRANT_ID, peerId: null, subjectUserId: null, certSerial: null, rowsOut: 0 },
      ...{ bytesOut: 1, latencyMs: 1, traceId: null, archived: false },
    }
    site.answers = { 'audit:read': () => ({ items: [row], nextCursor: 'next' }) }
    const { code, stdout } = await site.run(['audit', '--grant', GRANT_ID, '--since', '2026-01-31', '--limit', '5'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/inbound +list +tasks +denied +403 +grant_revoked/)
    expect(stdout).toContain('more: --cursor next')
    expect(Object.fromEntries(new URLSearchParams(site.heard[0]!.url.split('?')[1]))).toEqual({
      ...{ grant: GRANT_ID, since: '2026-01-31T00:00:00.000000Z', limit: '5' },
    })
  })
})

describe('exit codes', () => {
  test.each<[number, string, readonly string[], RegExp]>([
    [2, 'an unknown command', ['peers'], /unknown command|too many arguments/],
    [2, 'an unknown flag', ['peer', 'list', '--insecure'], /unknown option '--insecure'/],
    [2, 'a missing argument', ['peer', 'show'], /missing required argument 'id'/],
    [2, 'a lifetime out of bounds', ['grant', 'token', GRANT_ID, '--ttl', '901'], /from 1 to 900/],
    [2, 'a lifetime of nothing', ['grant', 'token', GRANT_ID, '--ttl', '0'], /from 1 to 900/],
    [2, 'no date', ['audit', '--since', 'yesterday'], /must be a day/],
    [2, 'a URL by plain http', ['peer', 'list', '--url', 'http://a.example'], /url: must be https/],
    [2, 'no scope file', ['grant', 'scope', GRANT_ID, '--scope', './none'], /cannot be read \(ENOENT\)/],
    [2, 'no command at all', [], /Usage: federation/],
  ])('%i for %s', async (code, _, args, stderr) => {
    expect(await site.run(args)).toEqual({ code, stdout: '', stderr: expect.stringMatching(stderr) })
    expect(site.heard).toEqual([])
  })

  test.each<[string, () => Record<string, string>, RegExp]>([
    ['nothing configured', () => ({ FEDERATION_URL: '' }), /url: is missing; give --url or FEDERATION_URL/],
    [
      'a token that others can read',
      () => ({ FEDERATION_ADMIN_TOKEN_FILE: site.put('open.token', 'open-token', 0o644) }),
      /can be read by others; make it 0600/,
    ],
    [
      'a file of something else',
      () => ({ FEDERATION_ADMIN_TOKEN_FILE: site.put('two.token', 'two words') }),
      /holds no bearer token/,
    ],
    ['an unknown variable', () => ({ FEDERATION_UR: 'x' }), /unknown variable FEDERATION_UR/],
    ['a root that is none', () => ({ FEDERATION_CA: site.put('none.pem', 'none') }), /holds no certificate/],
  ])('2 for %s', async (_, env, stderr) => {
    const ran = await site.run(['peer', 'list'], { env: env() })
    expect(ran).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(stderr) })
    expect(ran.stderr).not.toMatch(/open-token|two words/)
    expect(site.heard).toEqual([])
  })

  test.each<[string, (response: Parameters<typeof json>[0]) => void, RegExp]>([
    ['a refusal', (response) => json(response, 403, errorBody('forbidden')), /refused \(403 forbidden/],
    [
      'another token',
      (response) => json(response, 401, errorBody('invalid_token')),
      /see the file of --admin-token-file/,
    ],
    [
      'too many requests',
      (response) => json(response, 429, errorBody('rate_limited', { retryAfterSeconds: 7 })),
      /try again in 7 s/,
    ],
    [
      'a redirect',
      (response) => void response.writeHead(302, { location: site.theirs.url }).end(),
      /answer_redirect: .* none is followed/,
    ],
    ['a page', (response) => void response.writeHead(502).end('<html>'), /answered 502 without an error of a gateway/],
    ['an unknown member', (response) => json(response, 200, { items: [], nextCursor: null, more: 1 }), /"more"/],
    [
      'a packed answer',
      (response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
      /not asked for/,
    ],
    [
      'an answer without an end',
      (response) => void response.writeHead(200).end(Buffer.alloc(9 << 20)),
      /more than 8388608 bytes/,
    ],
  ])('1 for %s', async (_, raw, stderr) => {
    site.answers = { 'peer:list': () => ({ raw }) }
    expect(await site.run(['peer', 'list'])).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(stderr) })
    expect(site.theirs.heard).toEqual([])
  })

  test('3 where nobody listens, where somebody hangs up, and where nobody knows the name', async () => {
    const hangUp = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
    await once(hangUp, 'listening')
    const { port } = hangUp.address() as { port: number }
    const urls = [`https://${OURS}:${await freePort()}`, `https://${OURS}:${port}`, 'https://nobody.invalid']
    const ran = await Promise.all(urls.map((url) => site.run(['peer', 'list', '--url', url])))
    hangUp.close()
    for (const { code, stderr } of ran)
      expect([code, stderr]).toEqual([3, expect.stringMatching(/^federation: server_unreachable: /)])
  })

  test('1 for a server that does not prove who it is, and it hears nothing; 0 for one that does', async () => {
    const other = await liveRoot('other')
    const impostors = [
      await holdServer(other, [OURS]),
      await holdServer(site.root, ['c.somebiz.local.io']),
      await holdServer(site.root, [], { subject: `CN=${OURS}` }),
    ]
    for (const tls of impostors) {
      await using impostor = await liveServer(tls, (_, response) =>
        json(response, 200, { items: [], nextCursor: null }),
      )
      const { code, stderr } = await site.run(['peer', 'list', '--url', `https://${OURS}:${impostor.port}`])
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^federation: server_untrusted: .*--gateway-ca/)])
      expect(impostor.heard).toEqual([])
    }
    site.answers = { 'peer:list': () => ({ items: [], nextCursor: null }) }
    expect(await site.run(['peer', 'list'])).toEqual({ code: 0, stdout: 'there is no peer\n', stderr: '' })
  })
})
