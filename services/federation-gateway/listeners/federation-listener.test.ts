import { Agent } from 'node:https'
import { type AddressInfo, createServer, connect as tcpConnect } from 'node:net'
import { type ConnectionOptions, connect } from 'node:tls'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { StoreUnavailable } from '../storage/unavailable.ts'
import {
  GRANT,
  namesExtension,
  OIDS,
  PEER,
  provisionerExtension,
  SUBJECT,
  uuidExtension,
  x509,
} from '../testing/certificates.ts'
import {
  type Answer,
  type Asking,
  ask,
  type Lending,
  lend,
  lentGrant,
  listsOf,
  makeSite,
  PEER_ID,
  ROW_ID,
  type Site,
  TENANT,
  x5tOf,
} from '../testing/federation.ts'
import { type Held, hold, keyPem, liveRoot, liveSub } from '../testing/live.ts'
import { type Spanned, type Tracing, untraced } from '../tracing/tracing.ts'
import { refused } from '../wire/errors.ts'
import { Refused } from './exchange.ts'

const V1 = '/api/federation/v1'
let site: Site
let lending: Lending
let agents: Agent[]

beforeAll(async () => {
  site = await makeSite()
})
beforeEach(async () => {
  agents = []
  lending = await lend(site)
})
afterEach(async () => {
  for (const agent of agents) agent.destroy()
  await lending[Symbol.asyncDispose]()
})

const call = (path: string, asking: Asking = {}): Promise<Answer> =>
  ask(`${lending.url}${path}`, { as: site.client, ca: String(site.root.certificate), ...asking })
const list = (asking: Asking = {}) => call(`${V1}/list/tasks`, { body: {}, ...asking })
const reasons = () => lending.decisions.map(({ layer, guard, reason }) => `${layer} ${guard} ${reason}`)

function kept(as: Held = site.client): Agent {
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 1,
    cert: as.cert,
    key: as.key,
    ca: String(site.root.certificate),
  })
  agents.push(agent)
  return agent
}

test('whoever is proven, registered and granted is answered, and it is on record first', async () => {
  lending.verbs.list = async ({ queryHash, identity, requestId }, resource, request) => {
    expect(lending.decisions).toEqual([])
    expect([resource, request, identity.grantId]).toEqual(['tasks', { limit: 2 }, GRANT])
    expect(queryHash).toMatch(/^[0-9a-f]{64}$/)
    return { status: 200, body: { items: [], requestId }, rowsOut: 2, note: { guard: 'scope.cap', reason: 'row_cap' } }
  }
  const { status, text } = await list({ body: { limit: 2 } })
  expect(status).toBe(200)
  const { requestId } = JSON.parse(text)
  const serial = site.client.certificate.serialNumber.toLowerCase().replace(/^0+/, '')
  const principal = {
    x5t: x5tOf(site.client),
    serial,
    cn: PEER,
    grantId: GRANT,
    subjectUserId: SUBJECT,
    peerId: PEER_ID,
  }
  const same = { verdict: 'accepted', status: 200, requestId, principal, reason: 'row_cap' }
  expect(lending.decisions).toMatchObject([
    {
      ...same,
      listener: 'federation',
      layer: 'http',
      action: 'federation:list/tasks',
      target: 'gateway-b',
      guard: 'scope.cap',
      error: null,
    },
  ])
  expect(lending.entries).toMatchObject([
    {
      audit: { verb: 'list', resource: 'tasks' },
      rowsOut: 2,
      bytesOut: Buffer.byteLength(text),
      isAborted: false,
      ...same,
    },
  ])
})

test('each verb has its handler', async () => {
  const heard: string[] = []
  lending.verbs.get = async (_, resource, id) => {
    heard.push(`get ${resource} ${id}`)
    return { status: 200, body: {} }
  }
  lending.verbs.search = async (_, { q }) => {
    heard.push(`search ${q}`)
    return { status: 200, body: {} }
  }
  lending.verbs.renew = async (_, { csrPem }) => {
    heard.push(`renew ${csrPem}`)
    return { status: 200, body: {} }
  }
  for (const [path, body] of [
    [`/get/tasks/${ROW_ID}`],
    [`/get/tasks/${ROW_ID}`, {}],
    ['/search', { q: 'x' }],
    ['/renew', { csrPem: 'c' }],
  ] as const) {
    expect((await call(`${V1}${path}`, { body })).status).toBe(200)
  }
  expect(heard).toEqual([`get tasks ${ROW_ID}`, `get tasks ${ROW_ID}`, 'search x', 'renew c'])
})

test('capabilities say what is lent at which epoch, and nothing twice', async () => {
  const first = await call(`${V1}/capabilities`, { method: 'GET' })
  expect(JSON.parse(first.text)).toMatchObject({
    resources: ['tasks'],
    max_rows_per_query: 100,
    grant_expires_at: null,
  })
  expect(first.headers.etag).toBe('"7"')
  const again = await call(`${V1}/capabilities`, { method: 'GET', headers: { 'if-none-match': '"7"' } })
  expect([again.status, again.text, again.headers.etag]).toEqual([304, '', '"7"'])
  lending.grant = lentGrant({ epoch: 8 })
  expect((await call(`${V1}/capabilities`, { method: 'GET', headers: { 'if-none-match': '"7"' } })).status).toBe(200)
  expect(lending.decisions.map(({ verdict, status }) => [verdict, status])).toEqual([
    ['accepted', 200],
    ['accepted', 304],
    ['accepted', 200],
  ])
})

const ASKED = `GET ${V1}/capabilities HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`

/** A handshake, and whatever comes back over it. */
function shake(options: ConnectionOptions, sent = ASKED): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect({
      port: lending.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: String(site.root.certificate),
      ...options,
    })
    socket.on('secureConnect', () => socket.write(sent))
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
}

/** A way to the listener that keeps back whatever a caller says after its first words. */
async function behindGate(
  to: number,
): Promise<{ readonly port: number; readonly hasBegun: Promise<void>; letGo(): void }> {
  const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const server = createServer((caller) => {
    server.close()
    const listener = tcpConnect(to, '127.0.0.1')
    caller.once('data', (first) => {
      listener.write(first)
      caller.pause()
      void gate.promise.then(() => caller.pipe(listener))
    })
    listener.once('data', () => begun.resolve())
    listener.pipe(caller)
    for (const socket of [caller, listener]) socket.on('error', () => {})
    caller.on('close', () => listener.destroy())
    listener.on('close', () => caller.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { port, hasBegun: begun.promise, letGo: gate.resolve }
}

describe('a handshake ends before any byte of HTTP', () => {
  const day = 86_400_000
  const below = () => [site.intermediate]
  const purpose = (...of: string[]) => new x509.ExtendedKeyUsageExtension(of)
  test.each<[what: string, who: () => Promise<Partial<Held>>, guard: string, reason: string]>([
    ['without a certificate', async () => ({}), 'tls.chain', 'cert_missing'],
    ['of another root', async () => hold(await liveRoot('root')), 'tls.chain', 'cert_untrusted'],
    [
      'of one that vouches for itself',
      async () => {
        const { keys, certificate } = await liveRoot('itself')
        return { cert: String(certificate), key: await keyPem(keys) }
      },
      'tls.chain',
      'cert_untrusted',
    ],
    [
      'of another root, with its intermediate, of which there is no list',
      async () => {
        const other = await liveSub(await liveRoot('another root'), 'another intermediate')
        return hold(other, {}, [other])
      },
      'tls.chain',
      'cert_untrusted',
    ],
    ['without the intermediate', () => hold(site.intermediate), 'tls.chain', 'cert_untrusted'],
    [
      'of a certificate that has ended',
      () =>
        hold(
          site.intermediate,
          { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() - 1_000) },
          below(),
        ),
      'tls.chain',
      'cert_expired',
    ],
    [
      'of one that has not begun',
      () =>
        hold(
          site.intermediate,
          { notBefore: new Date(Date.now() + day), notAfter: new Date(Date.now() + 2 * day) },
          below(),
        ),
      'tls.chain',
      'cert_not_yet_valid',
    ],
    [
      'of one for servers',
      () => hold(site.intermediate, { extensions: { purpose: purpose(x509.ExtendedKeyUsage.serverAuth) } }, below()),
      'tls.chain',
      'cert_eku_invalid',
    ],
  ])('%s', async (_, who, guard, reason) => {
    const { cert, key } = await who()
    expect(await shake({ cert, key })).toBe('')
    expect(lending.decisions).toMatchObject([
      {
        layer: 'tls',
        guard,
        reason,
        verdict: 'refused',
        status: null,
        listener: 'federation',
        conn: expect.stringMatching(/127\.0\.0\.1:\d+$/),
      },
    ])
    const skew = reason === 'cert_not_yet_valid' ? day / 1_000 : undefined
    const [decision] = lending.decisions
    if (skew === undefined) expect(decision).not.toHaveProperty('skewSeconds')
    // It was made a moment ago, and begins with a whole second.
    else expect(Math.abs(decision!.skewSeconds! - skew)).toBeLessThan(30)
    expect(lending.entries).toEqual([])
    expect(await shake(site.client)).toMatch(/^HTTP\/1\.1 200/)
  })

  test.each<[what: string, options: ConnectionOptions]>([
    ['of TLS 1.2', { maxVersion: 'TLSv1.2' }],
    ['for HTTP/2', { ALPNProtocols: ['h2'] }],
  ])('%s', async (_, options) => {
    expect(await shake({ ...site.client, ...options })).toBe('')
    expect(reasons()).toEqual(['tls tls.protocol tls_protocol'])
    expect(await shake({ ...site.client, ALPNProtocols: ['h2', 'http/1.1'] })).toMatch(/^HTTP\/1\.1 200/)
  })

  test.each([`GET ${V1}/capabilities HTTP/1.1\r\n\r\n`, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'SSH-2.0-x\r\n'])(
    'that is none: %j',
    async (text) => {
      const answer = await new Promise<string>((resolve) => {
        let heard = ''
        const socket = tcpConnect(lending.port, '127.0.0.1', () => socket.write(text))
        socket.on('data', (chunk) => {
          heard += chunk
        })
        socket.on('error', () => {})
        socket.on('close', () => resolve(heard))
      })
      expect(answer).not.toContain('HTTP')
      expect(reasons()).toEqual(['tls tls.protocol tls_plaintext'])
    },
  )

  test('of one that is revoked, and every other one goes on', async () => {
    const other = await hold(site.intermediate, {}, below())
    expect(await shake(other)).toMatch(/^HTTP\/1\.1 403/)
    await lending.listener.useLists(await listsOf(site, [other.certificate.serialNumber]))
    lending.decisions.length = 0
    expect(await shake(other)).toBe('')
    expect(reasons()).toEqual(['tls tls.crl cert_revoked'])
    expect(await shake(site.client)).toMatch(/^HTTP\/1\.1 200/)
  })

  test('of one that is revoked while the handshake is under way', async () => {
    const other = await hold(site.intermediate, {}, below())
    // By the lists from before: it was begun while they were in force, and ends when they are not.
    const late = await behindGate(lending.port)
    const heard = shake({ ...other, port: late.port })
    await late.hasBegun
    await lending.listener.useLists(await listsOf(site, [other.certificate.serialNumber]))
    late.letGo()
    expect(await heard).toBe('')
    expect(reasons()).toEqual(['tls tls.crl cert_revoked'])
    expect(await shake(site.client)).toMatch(/^HTTP\/1\.1 200/)
  })

  test("of everybody while a list is stale or missing or another's, until there is a good one", async () => {
    const good = await listsOf(site)
    const elsewhere = await listsOf({
      root: site.root,
      intermediate: await (await liveRoot('root')).sub('intermediate', {
        notBefore: new Date(Date.now() - 1_000),
        notAfter: new Date(Date.now() + 60_000),
      }),
    })
    for (const [lists, reason] of [
      [await listsOf(site, [], new Date(Date.now() - 1_000)), 'crl_stale'],
      [{ ...good, pems: good.pems.slice(1) }, 'crl_missing'],
      [{ ...good, pems: good.pems.slice(0, 1) }, 'crl_missing'],
      [{ ...good, pems: [good.pems[0]!, elsewhere.pems[1]!] }, 'crl_untrusted'],
    ] as const) {
      await lending.listener.useLists(lists)
      lending.decisions.length = 0
      expect(await shake(site.client)).toBe('')
      expect(reasons()).toEqual([`tls tls.crl ${reason}`])
      await lending.listener.useLists(good)
      expect(await shake(site.client)).toMatch(/^HTTP\/1\.1 200/)
    }
  })

  test('of a certificate that has its connections already', async () => {
    await lending[Symbol.asyncDispose]()
    lending = await lend(site, { limits: { most: 3, mostPerCertificate: 2 } })
    const held = [kept(), kept()]
    for (const agent of held) expect((await list({ agent })).status).toBe(200)
    lending.decisions.length = 0
    expect(await shake(site.client)).toBe('')
    expect(reasons()).toEqual(['tls tls.connections connection_limit'])
    held[0]?.destroy()
    await expect.poll(() => shake(site.client)).toMatch(/^HTTP\/1\.1 200/)
  })
})

test('no session is resumed', async () => {
  const open = (session?: Buffer): Promise<{ session: Buffer | undefined; isReused: boolean }> =>
    new Promise((resolve, reject) => {
      let given: Buffer | undefined
      let isReused = true
      const socket = connect({
        ...{ ...site.client, port: lending.port, host: '127.0.0.1', servername: 'localhost' },
        ...{ ca: String(site.root.certificate), ...(session && { session }) },
      })
      socket.on('session', (ticket) => {
        given = ticket
      })
      socket.on('secureConnect', () => {
        isReused = socket.isSessionReused()
        socket.write(`GET ${V1}/capabilities HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
      })
      socket.on('error', reject)
      socket.resume().on('close', () => resolve({ session: given, isReused }))
    })
  const first = await open()
  expect((await open(first.session)).isReused).toBe(false)
  expect(lending.decisions.map(({ status }) => status)).toEqual([200, 200])
})

test('it is closed until there are lists', async () => {
  const closed = await lend(site, {})
  await closed[Symbol.asyncDispose]()
  expect(closed.listener.isOpen).toBe(false)
  expect(lending.listener.isOpen).toBe(true)
})

describe('a request is refused', () => {
  interface Case {
    asking?: Asking
    path?: string
    who?: () => Promise<Held>
    before?: () => void
    status: number
    code: string
    guard: string
    reason: string
  }
  const other = (of: string) => uuidExtension(of === 'grant' ? OIDS.grant : OIDS.subject, ROW_ID)
  const leaf = (extensions: Parameters<typeof hold>[1] & object) => () =>
    hold(site.intermediate, extensions, [site.intermediate])
  const of401 = { status: 401, code: 'unauthorized' }
  const of403 = { status: 403, code: 'forbidden' }
  const of503 = { status: 503, code: 'dependency_unavailable' }
  const of400 = { status: 400, code: 'invalid_request' }
  const cases: Record<string, Case> = {
    'for another host': {
      asking: { headers: { host: 'gateway-a.example' } },
      status: 421,
      code: 'misdirected_request',
      guard: 'http.authority',
      reason: 'authority_mismatch',
    },
    'for another name of TLS': {
      asking: { servername: 'localhost.example', headers: { host: 'localhost' } },
      status: 421,
      code: 'misdirected_request',
      guard: 'http.authority',
      reason: 'authority_mismatch',
    },
    'with a certificate of two names': {
      who: leaf({ extensions: { names: namesExtension(['dns', PEER], ['dns', 'b.example']) } }),
      ...of401,
      guard: 'cert.profile',
      reason: 'cert_profile',
    },
    'with one of no purpose': {
      who: leaf({ extensions: { purpose: undefined } }),
      ...of401,
      guard: 'cert.profile',
      reason: 'cert_profile',
    },
    'with one of another provisioner': {
      who: leaf({ extensions: { provisioner: provisionerExtension({ name: 'other', kid: 'k'.repeat(43) }) } }),
      ...of401,
      guard: 'cert.provisioner',
      reason: 'cert_provisioner',
    },
    'with one of no grant': {
      who: leaf({ extensions: { grant: undefined } }),
      ...of401,
      guard: 'cert.oid-grant',
      reason: 'oid_grant_missing',
    },
    'with one of two users': {
      who: leaf({ more: [other('subject')] }),
      ...of401,
      guard: 'cert.oid-subject',
      reason: 'oid_subject_repeated',
    },
    'while the database is away': {
      before: () => {
        lending.store.admission = async () => {
          throw new StoreUnavailable('gateway at db-b', undefined)
        }
      },
      ...of503,
      guard: 'store.available',
      reason: 'database_unavailable',
    },
    'while the database says nothing': {
      before: () => {
        lending.store.admission = () => new Promise(() => {})
      },
      ...of503,
      guard: 'store.available',
      reason: 'database_unavailable',
    },
    'for a grant that is not there': {
      before: () => {
        lending.grant = undefined
      },
      ...of403,
      guard: 'grant.known',
      reason: 'grant_unknown',
    },
    'for one that is revoked': {
      before: () => {
        lending.grant = lentGrant({ status: 'revoked' })
      },
      ...of403,
      guard: 'grant.status',
      reason: 'grant_revoked',
    },
    "for another user than the grant's": {
      before: () => {
        lending.grant = lentGrant({ subjectUserId: ROW_ID })
      },
      ...of403,
      guard: 'grant.subject',
      reason: 'subject_mismatch',
    },
    "of another peer than the grant's": {
      before: () => {
        lending.grant = lentGrant({ peer: { commonName: 'c.example', direction: 'inbound', status: 'active' } })
      },
      ...of403,
      guard: 'grant.peer',
      reason: 'peer_name_mismatch',
    },
    'with a certificate that nobody registered': {
      who: leaf({}),
      ...of403,
      guard: 'grant.certificate',
      reason: 'cert_unregistered',
    },
    'of a user who is gone': {
      before: () => {
        lending.grant = lentGrant({ subject: undefined })
      },
      ...of403,
      guard: 'grant.user',
      reason: 'subject_missing',
    },
    'for no route': {
      path: `${V1}/everything`,
      status: 404,
      code: 'not_found',
      guard: 'http.route',
      reason: 'route_unknown',
    },
    'by another method': {
      asking: { method: 'PUT' },
      status: 405,
      code: 'method_not_allowed',
      guard: 'http.route',
      reason: 'method_unknown',
    },
    'with no JSON': {
      asking: { headers: { 'content-type': 'text/plain' } },
      status: 415,
      code: 'unsupported_media_type',
      guard: 'http.body',
      reason: 'content_type',
    },
    'with too much': {
      asking: { body: { filter: 'x'.repeat(16_384) } },
      status: 413,
      code: 'payload_too_large',
      guard: 'http.body',
      reason: 'body_too_large',
    },
    'with half a body': { asking: { body: '{"limit":' }, ...of400, guard: 'http.body', reason: 'body_malformed' },
    'with a member more': {
      asking: { body: { subjectUserId: SUBJECT } },
      ...of400,
      guard: 'http.body',
      reason: 'body_schema',
    },
    'for an id that is none': { path: `${V1}/get/tasks/1`, ...of400, guard: 'http.body', reason: 'id_malformed' },
    'with a cursor of another query': {
      asking: { body: { cursor: 'abc' } },
      ...of400,
      guard: 'http.body',
      reason: 'cursor_invalid',
    },
    'by its verb': {
      before: () => {
        lending.verbs.list = async () => {
          throw new Refused('scope.granted', refused('scope_violation', 'resource_not_granted'))
        }
      },
      status: 403,
      code: 'scope_violation',
      guard: 'scope.granted',
      reason: 'resource_not_granted',
    },
    'when the database goes away in between': {
      before: () => {
        lending.verbs.list = async () => {
          throw new StoreUnavailable('gateway at db-b', undefined)
        }
      },
      ...of503,
      guard: 'store.available',
      reason: 'database_unavailable',
    },
  }

  test.each(Object.entries(cases))(
    '%s',
    async (_, { asking, path = `${V1}/list/tasks`, who, before, status, code, guard, reason }) => {
      await lending[Symbol.asyncDispose]()
      lending = await lend(site, { limits: { storeMs: 100 } })
      expect((await list()).status).toBe(200)
      before?.()
      lending.decisions.length = 0
      lending.entries.length = 0
      const as = (await who?.()) ?? site.client
      // The name that a handshake asks for is not the one that it proves: a client of a test looks past it.
      const answer =
        asking?.servername === undefined
          ? await call(path, { body: {}, as, ...asking })
          : await misnamed(asking.servername)
      const { requestId, ...error } = JSON.parse(answer.text).error
      expect([answer.status, error]).toEqual([status, { code, message: expect.any(String) }])
      expect(lending.decisions).toMatchObject([
        { verdict: 'refused', layer: 'http', status, error: code, guard, reason, requestId },
      ])
      // Of whoever reached another host than this one nothing was looked at; of all others the certificate is on record.
      expect(lending.decisions[0]?.principal.x5t).toBe(status === 421 ? undefined : x5tOf(as))
      await expect
        .poll(() => lending.entries)
        .toMatchObject([{ verdict: 'refused', status, reason, rowsOut: 0, requestId }])
      const { headers } = answer
      expect(headers['www-authenticate']).toBe(status === 401 ? 'ClientCertificate realm="federation"' : undefined)
      expect(headers['retry-after']).toBe(status === 503 ? '5' : undefined)
      expect(headers.allow).toBe(status === 405 ? 'POST' : undefined)
    },
  )

  function misnamed(servername: string): Promise<Answer> {
    const checkServerIdentity = () => undefined
    const agent = new Agent({ ...site.client, ca: String(site.root.certificate), servername, checkServerIdentity })
    agents.push(agent)
    return list({ agent, headers: { host: 'localhost' } })
  }
})

test('a request waits for the database so long in all, and not so long for each thing that it asks', async () => {
  await lending[Symbol.asyncDispose]()
  const storeMs = 2_000
  const slow = () => new Promise((resolve) => setTimeout(resolve, 1_400))
  lending = await lend(site, { limits: { storeMs } })
  const { admission } = lending.store
  lending.store.admission = async (...given) => {
    await slow()
    return admission(...given)
  }
  let left = storeMs
  lending.verbs.list = async ({ patience }) => {
    left = patience.leftMs
    return { status: 200, body: { items: [] } }
  }
  expect((await list()).status).toBe(200)
  expect(left).toBeLessThan(storeMs - 1_300)
  // Another certificate was accepted in between, and so the database is asked again.
  lending.registered = { ...lending.registered, status: 'issued' }
  let mayTake = storeMs
  lending.store.accepted = async (_, __, patience) => {
    mayTake = patience.leftMs
    return false
  }
  const began = performance.now()
  expect((await list()).status).toBe(503)
  expect(performance.now() - began).toBeLessThan(2_600)
  expect(mayTake).toBeLessThan(storeMs - 1_300)
  expect(reasons().at(-1)).toBe('http store.available database_unavailable')
})

test('all 403 are the same but for the request', async () => {
  const texts = new Set<string>()
  for (const grant of [
    undefined,
    lentGrant({ status: 'pending' }),
    lentGrant({ subjectUserId: ROW_ID }),
    lentGrant({ subject: undefined }),
  ]) {
    lending.grant = grant
    const { text, headers } = await list()
    const { requestId } = JSON.parse(text).error
    const { date, ...rest } = headers
    texts.add(`${text.replace(requestId, '')} ${JSON.stringify(rest)}`)
  }
  expect(texts.size).toBe(1)
})

test('no header says who the caller is, or which address is his', async () => {
  const forged = Object.fromEntries(
    ['client-cert', 'x-ssl-client-cert', 'x-forwarded-client-cert', 'x-forwarded-for'].map((name) => [name, 'x']),
  )
  lending.grant = lentGrant({ subjectUserId: ROW_ID })
  expect((await list({ headers: forged })).status).toBe(403)
  lending.grant = lentGrant()
  expect((await list({ headers: forged })).status).toBe(200)
  expect(JSON.stringify(lending.decisions)).not.toContain('"x"')
})

test('whose time is over is told so, and his connection ends', async () => {
  let now = Date.now()
  await lending[Symbol.asyncDispose]()
  lending = await lend(site, { now: () => now })
  const agent = kept()
  // Without a body: one that is not read would end the connection, too.
  const asked = () => call(`${V1}/capabilities`, { method: 'GET', agent })
  expect((await asked()).status).toBe(200)
  now = site.client.certificate.validToDate.getTime()
  const { status, headers } = await asked()
  expect([status, headers.connection]).toEqual([401, 'close'])
  expect(reasons().at(-1)).toBe('http cert.live cert_ended')
})

test('a connection ends with the certificate, whoever asks or does not', async () => {
  const notAfter = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2_000)
  const short = await hold(site.intermediate, { notAfter }, [site.intermediate])
  const started = performance.now()
  const text = await new Promise<string>((resolve) => {
    const socket = connect({
      ...short,
      port: lending.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: String(site.root.certificate),
    })
    let heard = ''
    socket.on('data', (chunk) => {
      heard += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(heard))
  })
  expect(text).toBe('')
  expect(performance.now() - started).toBeLessThan(5_000)
  expect(Date.now()).toBeGreaterThanOrEqual(notAfter.getTime())
})

test('a revoked certificate ends its idle connections, and a busy one after its answer', async () => {
  const [idle, busy] = [kept(), kept()]
  let answer = () => {}
  expect((await list({ agent: idle })).status).toBe(200)
  lending.verbs.list = () =>
    new Promise((resolve) => {
      answer = () => resolve({ status: 200, body: {} })
    })
  const pending = list({ agent: busy })
  await expect.poll(() => String(answer)).toContain('resolve')
  const closed = new Promise((resolve) => Object.values(idle.freeSockets)[0]?.[0]?.once('close', resolve))
  await lending.listener.useLists(await listsOf(site, [site.client.certificate.serialNumber]))
  await closed
  answer()
  expect((await pending).status).toBe(200)
  await expect(list({ agent: busy })).rejects.toThrow()
  await expect(list()).rejects.toThrow()
})

test('a grant has so many requests over all its connections, and a forged leaf of it spends none', async () => {
  lending.grant = lentGrant({ rateLimit: 2 })
  expect([(await list()).status, (await list({ agent: kept() })).status]).toEqual([200, 200])
  const { status, headers, text } = await list()
  expect(status).toBe(429)
  const seconds = Number(headers['retry-after'])
  expect(seconds).toBeGreaterThan(50)
  expect(JSON.parse(text).error).toMatchObject({ code: 'rate_limited', retryAfterSeconds: seconds })
  expect(reasons().at(-1)).toBe('http rate.grant rate_grant')
  const renewed = await hold(site.intermediate, {}, [site.intermediate])
  lending.registered = { ...lending.registered, x5t: x5tOf(renewed) }
  expect((await list({ as: renewed })).status).toBe(429)

  await lending[Symbol.asyncDispose]()
  lending = await lend(site)
  lending.grant = lentGrant({ rateLimit: 1 })
  const forged = await hold(site.intermediate, {}, [site.intermediate])
  for (let tries = 0; tries < 3; tries += 1) expect((await list({ as: forged })).status).toBe(403)
  expect((await list()).status).toBe(200)
})

test('a leaf has so many before any work for the database', async () => {
  await lending[Symbol.asyncDispose]()
  lending = await lend(site, { limits: { perLeaf: 1 } })
  expect((await list()).status).toBe(200)
  lending.store.admission = async () => {
    throw new Error('the database was asked')
  }
  expect((await list()).status).toBe(429)
  expect(reasons().at(-1)).toBe('http rate.leaf rate_leaf')
})

test('the first use of a certificate is told to the database once it was let in, and no other', async () => {
  const told: string[] = []
  lending.store.accepted = async ({ x5t }) => told.push(x5t) > 0
  await list()
  expect(told).toEqual([])
  lending.registered = { ...lending.registered, status: 'issued' }
  lending.grant = lentGrant({ status: 'revoked' })
  await list()
  expect(told).toEqual([])
  lending.grant = lentGrant()
  await list()
  expect(told).toEqual([x5tOf(site.client)])
})

test('a grant that ends as a certificate is used for the first time lets nobody in any more', async () => {
  lending.registered = { ...lending.registered, status: 'issued' }
  lending.store.accepted = async () => {
    lending.grant = lentGrant({ status: 'revoked' })
    return false
  }
  expect((await list()).status).toBe(403)
  expect(reasons()).toEqual(['http grant.status grant_revoked'])
})

test('a certificate that another request has made active meanwhile is as good', async () => {
  lending.registered = { ...lending.registered, status: 'issued' }
  lending.store.accepted = async () => {
    lending.registered = { ...lending.registered, status: 'active' }
    return false
  }
  expect((await list()).status).toBe(200)
})

test('a cursor is read for its query and its grant', async () => {
  const asked: unknown[] = []
  const position = { createdAt: '2026-01-31T09:00:00.000001Z', id: ROW_ID }
  lending.verbs.cursor = (text, binding) => {
    asked.push([text, binding])
    return position
  }
  let hash = ''
  lending.verbs.list = async ({ queryHash }, _, __, from) => {
    hash = queryHash
    return { status: 200, body: { from } }
  }
  const { text } = await list({ body: { cursor: 'abc' } })
  expect(JSON.parse(text)).toEqual({ from: position })
  expect(asked).toEqual([['abc', { queryHash: hash, grantId: GRANT }]])
})

test('what takes too long is ended, and no answer comes after', async () => {
  await lending[Symbol.asyncDispose]()
  lending = await lend(site, { limits: { deadlineMs: 100 } })
  let over = false
  lending.verbs.list = ({ signal }) =>
    new Promise((resolve) =>
      signal.addEventListener('abort', () => {
        over = true
        resolve({ status: 200, body: {} })
      }),
    )
  const { status, headers } = await list()
  expect([status, headers['retry-after'], over]).toEqual([503, '1', true])
  expect(reasons()).toEqual(['http http.deadline deadline_exceeded'])
})

test('an answer that nobody takes is held no longer than another request may take', async () => {
  await lending[Symbol.asyncDispose]()
  lending = await lend(site, { limits: { deadlineMs: 300 } })
  lending.verbs.list = async () => ({ status: 200, body: { text: 'x'.repeat(32 << 20) }, rowsOut: 1 })
  const socket = connect({
    ...{ ...site.client, port: lending.port, host: '127.0.0.1', servername: 'localhost' },
    ca: String(site.root.certificate),
  })
  socket.on('error', () => {})
  const head = `POST ${V1}/list/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n`
  socket.on('secureConnect', () => socket.pause().write(`${head}content-length: 2\r\n\r\n{}`))
  await expect.poll(() => lending.entries, { timeout: 5_000 }).toMatchObject([{ status: 200, isAborted: true }])
  expect(lending.rows).toMatchObject([{ outcome: 'aborted', status: 200, bytesOut: 0 }])
  socket.destroy()
  lending.verbs.list = async () => ({ status: 200, body: {} })
  expect((await list()).status).toBe(200)
  await expect.poll(() => lending.entries.at(-1)).toMatchObject({ status: 200, isAborted: false })
})

test('a failure is internal, and says nothing of itself', async () => {
  lending.verbs.list = async () => {
    throw new Error('secret words')
  }
  const { status, text } = await list()
  expect(status).toBe(500)
  expect(text).not.toContain('secret')
  expect(lending.log.events).toEqual(['request-failed'])
  expect(reasons()).toEqual(['http null internal'])
})

test('without a record nobody has access: not at the first request that cannot have one, and not to any work after it', async () => {
  let worked = 0
  lending.verbs.list = async () => {
    worked += 1
    return { status: 200, body: { items: ['row'] } }
  }
  lending.log.isFull = true
  const first = await list()
  expect([first.status, first.headers['retry-after']]).toEqual([503, '5'])
  expect(first.text).not.toContain('row')
  expect((await list()).status).toBe(503)
  lending.grant = undefined
  expect((await list()).status).toBe(503)
  lending.grant = lentGrant()
  expect([worked, lending.log.events]).toEqual([1, ['decision-not-recorded']])
  lending.log.isFull = false
  expect((await list()).status).toBe(503)
  expect(reasons()).toEqual(['http log.writable decision_log_unwritable'])
  expect((await list()).status).toBe(200)
  expect(worked).toBe(2)
})

test('a caller who goes away has an entry all the same', async () => {
  let isAsked = false
  lending.verbs.list = ({ signal }) =>
    new Promise((_, reject) => {
      isAsked = true
      signal.addEventListener('abort', () => reject(new Error('aborted')))
    })
  const agent = kept()
  const pending = list({ agent }).catch(() => {})
  await expect.poll(() => isAsked).toBe(true)
  agent.destroy()
  await pending
  await expect.poll(() => lending.entries).toMatchObject([{ isAborted: true, audit: { verb: 'list' }, bytesOut: 0 }])
  expect(lending.log.events).toEqual([])
  expect(lending.rows).toMatchObject([{ outcome: 'aborted', status: null, verb: 'list', grantId: GRANT, bytesOut: 0 }])
})

test('what comes of a request once its caller has gone is in its one row', async () => {
  let [finish, isGone]: [(() => void) | undefined, boolean] = [undefined, false]
  lending.verbs.renew = ({ signal }) =>
    new Promise((resolve) => {
      finish = () => resolve({ status: 200, body: {} })
      signal.addEventListener('abort', () => {
        isGone = true
      })
    })
  const agent = kept()
  const pending = call(`${V1}/renew`, { body: { csrPem: 'c' }, agent }).catch(() => {})
  await expect.poll(() => finish).toBeDefined()
  agent.destroy()
  await pending
  await expect.poll(() => isGone).toBe(true)
  expect(lending.rows).toEqual([])
  finish!()
  await expect.poll(() => lending.rows).toMatchObject([{ outcome: 'aborted', status: 200, verb: 'renew' }])
  expect([lending.entries.length, lending.decisions.length]).toEqual([1, 1])
})

test('a request that is refused before anybody looks at its path has a row that says what it was for', async () => {
  await list({ headers: { host: 'elsewhere' } })
  await call('/nowhere', { headers: { host: 'elsewhere' } })
  await expect
    .poll(() => lending.rows.map(({ verb, resource, status }) => [verb, resource, status]))
    .toEqual([
      ['list', 'tasks', 421],
      ['unknown', null, 421],
    ])
})

describe('what no handler can read', () => {
  const chunked = `POST ${V1}/list/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: `
  const unreadable = { layer: 'http', guard: 'http.form', reason: 'request_unreadable' }

  test.each([
    ['words that are no request', 400, 'nonsense\r\n\r\n'],
    ['a way to somebody else', 400, 'CONNECT elsewhere:443 HTTP/1.1\r\nhost: elsewhere:443\r\n\r\n'],
    ['a request whose end is in doubt', 400, `${chunked}xchunked\r\n\r\n`],
    ['a head without an end', 431, `${ASKED.trim()}\r\nx: ${'x'.repeat(17_000)}\r\n\r\n`],
  ])('%s has one row, with what was proven of its caller', async (_, status, sent) => {
    expect(await shake(site.client, sent)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    const principal = { x5t: x5tOf(site.client), cn: PEER, grantId: GRANT, subjectUserId: SUBJECT }
    expect(lending.decisions).toMatchObject([{ ...unreadable, status, principal }])
    const [{ requestId }] = lending.decisions as [(typeof lending.decisions)[0]]
    const ids = {
      grantId: GRANT,
      subjectUserId: SUBJECT,
      certSerial: expect.stringMatching(/^[0-9a-f]+$/),
      peerId: null,
    }
    expect(lending.rows).toMatchObject([
      { requestId, outcome: 'denied', status, reason: 'request_unreadable', verb: 'unknown', bytesOut: 0, ...ids },
    ])
    expect(await shake(site.client)).toMatch(/^HTTP\/1\.1 200/)
    await expect.poll(() => lending.rows.map((row) => row.status)).toEqual([status, 200])
  })

  test('names nobody whom its certificate may not name', async () => {
    const provisioner = provisionerExtension({ name: 'other', kid: 'k'.repeat(43) })
    const other = await hold(site.intermediate, { extensions: { provisioner } }, [site.intermediate])
    await shake(other, 'nonsense\r\n\r\n')
    expect(lending.decisions.map(({ principal }) => principal)).toEqual([{ x5t: x5tOf(other) }])
    expect(lending.rows).toMatchObject([{ reason: 'request_unreadable', grantId: null, certSerial: null }])
  })

  test('and is the rest of a request has no second row', async () => {
    await shake(site.client, `${chunked}chunked\r\n\r\nnonsense\r\n`)
    await expect.poll(() => lending.entries).toHaveLength(1)
    expect(lending.decisions).toMatchObject([unreadable, { guard: 'http.body', reason: 'body_malformed' }])
    expect(lending.rows).toMatchObject([{ verb: 'list', reason: 'body_malformed' }])
    // What comes behind a request is another one.
    await shake(site.client, `${ASKED.replace('close', 'keep-alive')}nonsense\r\n\r\n`)
    await expect.poll(() => lending.rows.map(({ verb }) => verb).sort()).toEqual(['capabilities', 'list', 'unknown'])
  })

  test('and cannot be put on record gets no answer, and no row', async () => {
    lending.log.isFull = true
    expect(await shake(site.client, 'nonsense\r\n\r\n')).toBe('')
    expect([lending.rows, lending.log.events]).toEqual([[], ['decision-not-recorded']])
  })
})

test('whom a grant refuses has a row that its tenant finds', async () => {
  lending.grant = lentGrant({ status: 'revoked' })
  expect((await list()).status).toBe(403)
  lending.grant = undefined
  expect((await list()).status).toBe(403)
  await expect
    .poll(() => lending.rows.map(({ reason, tenantId, grantId }) => [reason, tenantId, grantId]))
    .toEqual([
      ['grant_revoked', TENANT, GRANT],
      ['grant_unknown', null, GRANT],
    ])
})

test('an audit that cannot find its log refuses, and ends nothing', async () => {
  await lending[Symbol.asyncDispose]()
  let isThere = false
  lending = await lend(site, {
    auditor: {
      open() {
        if (!isThere) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
        return { settle: (row) => void lending.rows.push(row), cancel() {} }
      },
    },
  })
  const { status, headers } = await list()
  expect([status, headers['retry-after']]).toEqual([503, '5'])
  await expect.poll(() => lending.entries).toMatchObject([{ status: 503 }])
  expect(lending.log.events).toContain('audit-row-missing')
  isThere = true
  expect((await list()).status).toBe(200)
  await expect.poll(() => lending.rows).toMatchObject([{ status: 200 }])
})

describe('a trace', () => {
  const traceId = 'a'.repeat(32)
  const from = { traceId, spanId: 'b'.repeat(16), isSampled: true }
  const headers = { traceparent: `00-${traceId}-${from.spanId}-01` }

  test('is joined once its caller is proven, and its span says what the audit does', async () => {
    const [begun, ended]: [unknown[], Spanned[]] = [[], []]
    const begin: Tracing['begin'] = (...given) => {
      begun.push(given)
      return { ...untraced.begin(...given), end: (row) => void ended.push(row) }
    }
    await lending[Symbol.asyncDispose]()
    lending = await lend(site, { tracing: { begin } })
    const unproven = await hold(site.intermediate, { extensions: { grant: undefined } }, [site.intermediate])
    expect((await list({ headers })).status).toBe(200)
    lending.grant = undefined
    expect((await call(`${V1}/search`, { headers, body: { q: 'x' } })).status).toBe(403)
    expect((await list({ headers, as: unproven })).status).toBe(401)
    expect(lending.decisions.map((decision) => decision.traceId)).toEqual([traceId, traceId, undefined])
    expect(begun).toEqual([
      ['server', 'list', from],
      ['server', 'search', from],
    ])
    await expect.poll(() => lending.rows).toHaveLength(3)
    expect(ended).toEqual(lending.rows.slice(0, 2))
    expect(ended).toMatchObject([
      { grantId: GRANT, peerId: PEER_ID, resource: 'tasks', outcome: 'allowed' },
      { grantId: GRANT, peerId: null, resource: null, outcome: 'denied' },
    ])
  })

  test('of nobody, or named wrongly or twice, begins here', async () => {
    const { traceparent } = headers
    const wrong = [traceparent.toUpperCase(), `ff${traceparent.slice(2)}`, `${traceparent}-00`, 'x']
    const twice = [traceparent, traceparent] as never as string
    for (const given of [{}, ...[...wrong, twice].map((one) => ({ traceparent: one }))] as Record<string, string>[]) {
      expect((await list({ headers: given })).status).toBe(200)
      expect(lending.decisions.at(-1)?.traceId).toMatch(/^(?!a{32})[0-9a-f]{32}$/)
    }
    expect(new Set(lending.decisions.map((decision) => decision.traceId)).size).toBe(lending.decisions.length)
  })
})

test('new handshakes use a new certificate, and its lists stay', async () => {
  const next = await makeSite()
  const revoked = await hold(site.intermediate, {}, [site.intermediate])
  await lending.listener.useLists(await listsOf(site, [revoked.certificate.serialNumber]))
  lending.listener.reload({ ...site.material, certificate: next.server.cert, key: next.server.key })
  await expect(list()).rejects.toThrow()
  expect((await list({ ca: String(next.root.certificate) })).status).toBe(200)
  lending.decisions.length = 0
  await expect(list({ as: revoked, ca: String(next.root.certificate) })).rejects.toThrow()
  expect(reasons()).toEqual(['tls tls.crl cert_revoked'])
  await lending.listener.useLists(await listsOf(site, [site.client.certificate.serialNumber]))
  await expect(list({ ca: String(next.root.certificate) })).rejects.toThrow()
})
