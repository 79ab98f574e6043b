import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { holdServer, json, liveRoot, liveServer } from '../federation-gateway/testing/live.ts'
import type { Ran } from '../shared/testing/output.ts'
import { freePort } from '../shared/testing/service-process.ts'
import { errorBody, makeSite, type Site, THEIRS } from './testing/gateways.ts'
import { alice, aPeer, GRANT_ID, PEER_ID, USER_ID } from './testing/things.ts'

const TOKEN = 'e'.repeat(64)
const CSR = '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n'

let site: Site
let pins: string
let caFile: string
beforeAll(async () => {
  site = await makeSite()
  pins = `#ca=sha256:${fingerprintOf(site.otherRoot)}&grant=${GRANT_ID}&subject=${USER_ID}`
  caFile = site.put('their-root.pem', String(site.otherRoot.certificate))
})
afterAll(() => site[Symbol.asyncDispose]())

const fingerprintOf = ({ certificate }: Site['root']) => createHash('sha256').update(certificate.raw).digest('hex')
const urlAt = (port = site.theirs.port, host = THEIRS) => `https://${host}:${port}/api/federation/enrollment/${TOKEN}`
const enrolled = (change: object = {}) => ({
  ...{ certPem: String(site.otherRoot.certificate), certChainPem: String(site.otherRoot.certificate) },
  ...{ serial: 'ab0f', notAfter: '2026-01-31T09:00:00Z', grantId: GRANT_ID, subjectUserId: USER_ID, peerId: PEER_ID },
  federationUrl: `https://${THEIRS}:8444`,
  ...change,
})

beforeEach(() => {
  site.heard.length = 0
  site.theirs.heard.length = 0
  site.answers = {
    'user:list': () => ({ items: [alice] }),
    'peer:keypair': (body: { caPem?: string }) => {
      return { peerId: PEER_ID, csrPem: CSR, caPem: body.caPem ?? String(site.root.certificate) }
    },
    'peer:cert': () => aPeer({ direction: 'outbound', ownerUserId: USER_ID }),
  }
  site.enrolment = (request, response) => {
    if (request.method === 'POST') json(response, 200, enrolled())
    else json(response, 200, { status: 'ok' })
  }
})

const kept = () => join(site.folder, `peer-${PEER_ID}.pem`)
/** What left for the other gateway that says anything. */
const sent = () => site.theirs.heard.filter(({ method }) => method === 'POST')
const steps = () => site.heard.map(({ action }) => action)

async function add(args: readonly string[], options?: Parameters<Site['run']>[1]): Promise<Ran> {
  const ran = await site.run(['peer', 'add', ...args], options)
  // Neither a token nor a request is shown to anybody, whatever comes of it.
  for (const secret of [TOKEN, 'AAAA']) expect(`${ran.stdout}${ran.stderr}`).not.toContain(secret)
  return ran
}

test('a peer is added in three steps, and nothing is left behind', async () => {
  const ran = await add([urlAt() + pins, '--ca', caFile, '--for', 'alice', '--json'])

  expect([ran.code, JSON.parse(ran.stdout).state, ran.stderr]).toEqual([0, 'active', ''])
  expect(site.heard.map(({ action, body }) => [action, body])).toEqual([
    ['user:list', undefined],
    [
      'peer:keypair',
      { enrollmentUrl: urlAt() + pins, ownerUserId: USER_ID, caPem: String(site.otherRoot.certificate) },
    ],
    [
      'peer:cert',
      {
        ...{ certPem: enrolled().certPem, certChainPem: enrolled().certChainPem, grantId: GRANT_ID },
        ...{ subjectUserId: USER_ID, federationUrl: `https://${THEIRS}:8444` },
      },
    ],
  ])
  expect(sent().map(({ url, body }) => [url, JSON.parse(body)])).toEqual([
    [`/api/federation/enrollment/${TOKEN}`, { csrPem: CSR }],
  ])
  expect(existsSync(kept())).toBe(false)
})

test('an invitation needs nothing else, and standard input keeps a URL from others', async () => {
  const invitation = JSON.stringify({
    ...{ token: TOKEN, enrollmentUrl: urlAt() + pins, expiresAt: '2026-01-31T09:00:00.000Z' },
    caPem: String(site.otherRoot.certificate),
  })
  expect((await add(['--invitation', site.put('invitation.json', invitation)])).code).toBe(0)
  expect((await add(['-', '--ca', caFile], { input: `${urlAt() + pins}\n` })).code).toBe(0)
  expect(sent()).toHaveLength(2)
  const open = await add(['--invitation', site.put('open.json', invitation, 0o644)])
  expect(open).toMatchObject({ code: 2, stderr: expect.stringContaining('can be read by others') })
  const torn = await add(['--invitation', site.put('torn.json', invitation.slice(0, 90))])
  expect(torn).toMatchObject({ code: 1, stderr: expect.stringContaining('is no invitation') })
  expect(sent()).toHaveLength(2)
})

test('where no root is named, our own gateway’s is taken, also by the one who calls', async () => {
  const { cert, key } = await holdServer(site.root, [THEIRS])
  await using theirs = await liveServer({ cert, key }, (_, response) => json(response, 200, enrolled()))
  expect((await add([urlAt(theirs.port)])).code).toBe(0)
  expect(theirs.heard.map(({ method }) => method)).toEqual(['GET', 'POST'])
  // The other gateway of this site is of another root.
  const ran = await add([urlAt()])
  expect(ran).toMatchObject({ code: 1, stderr: expect.stringMatching(/server_untrusted: .*--resume .* the same URL/) })
  expect(site.theirs.heard).toEqual([])
})

test.each<[string, () => readonly string[], RegExp]>([
  ['plain http', () => [urlAt().replace('https', 'http')], /it is not https/],
  ['user information', () => [urlAt().replace('https://', 'https://a:b@')], /user information/],
  ['an address for a host', () => [urlAt(site.theirs.port, '127.0.0.1')], /no DNS name/],
  ['another path', () => [urlAt().replace('enrollment', 'elsewhere')], /its path is not/],
  ['a query', () => [`${urlAt()}?a=b`], /its path is not/],
  ['half a fragment', () => [`${urlAt()}#ca=sha256:${'a'.repeat(64)}`], /its fragment does not name/],
  [
    'the pin of another root',
    () => [urlAt() + pins.replace(/[0-9a-f]{64}/, 'a'.repeat(64)), '--ca', caFile],
    /does not hold the root that the invitation pins/,
  ],
  [
    'a file of two roots and no pin',
    () => [urlAt(), '--ca', site.put('two.pem', `${site.root.certificate}${site.otherRoot.certificate}`)],
    /holds 2 roots, and one is meant/,
  ],
])('%s is refused before anybody is asked', async (_, args, message) => {
  expect(await add(args())).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(message) })
  expect([site.heard, site.theirs.heard]).toEqual([[], []])
})

test('of several roots in a file the pinned one is taken', async () => {
  const two = site.put('two.pem', `${site.root.certificate}${site.otherRoot.certificate}`)
  expect((await add([urlAt() + pins, '--ca', two])).code).toBe(0)
  expect(site.heard[0]?.body).toMatchObject({ caPem: String(site.otherRoot.certificate) })
})

test('a server that does not prove its name by the root hears nothing, and no key is made', async () => {
  const rogue = await liveRoot('rogue')
  const impostors = [
    await holdServer(rogue, [THEIRS]),
    await holdServer(site.otherRoot, ['c.somebiz.local.io']),
    await holdServer(site.otherRoot, [], { subject: `CN=${THEIRS}` }),
  ]
  for (const tls of impostors) {
    await using impostor = await liveServer(tls, (_, response) => json(response, 200, enrolled()))
    const ran = await add([urlAt(impostor.port) + pins, '--ca', caFile])
    expect(ran).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(/server_untrusted: .*nothing was sent/) })
    expect([impostor.heard, steps()]).toEqual([[], []])
  }
  const nobody = await add([`${urlAt(await freePort())}${pins}`, '--ca', caFile])
  expect([nobody.code, steps()]).toEqual([3, []])
})

test('a server that redirects gets no request, and whoever it names hears nothing', async () => {
  await using elsewhere = await liveServer(await holdServer(site.otherRoot, [THEIRS]), (_, response) =>
    json(response, 200, enrolled()),
  )
  site.enrolment = (_, response) => void response.writeHead(307, { location: urlAt(elsewhere.port) }).end()
  const ran = await add([urlAt() + pins, '--ca', caFile])
  expect(ran).toMatchObject({ code: 1, stderr: expect.stringMatching(/answer_redirect: .* none is followed/) })
  expect([elsewhere.heard, sent(), steps()]).toEqual([[], [], []])

  // Nor is one followed that it comes up with for the request alone.
  site.enrolment = (request, response) => {
    if (request.method === 'GET') json(response, 200, { status: 'ok' })
    else response.writeHead(307, { location: urlAt(elsewhere.port) }).end()
  }
  const later = await add([urlAt() + pins, '--ca', caFile])
  expect(later).toMatchObject({ code: 1, stderr: expect.stringMatching(/answer_redirect: .*--resume/) })
  expect([elsewhere.heard, steps()]).toEqual([[], ['peer:keypair']])
})

test.each<[string, () => object, RegExp]>([
  ['another grant', () => enrolled({ grantId: USER_ID }), /another grant or user than the invitation pins/],
  ['another user', () => enrolled({ subjectUserId: GRANT_ID }), /another grant or user than the invitation pins/],
  ['another host', () => enrolled({ federationUrl: 'https://c.somebiz.local.io:8444' }), /somewhere else than at b\./],
  ['an unknown member', () => enrolled({ more: 1 }), /answer_invalid: .*"more"/],
])('an answer of %s does not come to our gateway', async (_, answer, message) => {
  site.enrolment = (request, response) => json(response, 200, request.method === 'POST' ? answer() : {})
  const ran = await add([urlAt() + pins, '--ca', caFile])
  expect(ran).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(message) })
  expect([steps(), existsSync(kept())]).toEqual([['peer:keypair'], false])
})

test('our gateway that would go by another root than the pinned one keeps the request from leaving', async () => {
  site.answers['peer:keypair'] = () => ({ peerId: PEER_ID, csrPem: CSR, caPem: String(site.root.certificate) })
  for (const fragment of [pins, '']) {
    const ran = await add([urlAt() + fragment, '--ca', caFile])
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('another root than the invitation') })
  }
  expect(sent()).toEqual([])
})

test('a second step that failed goes on with the same peer', async () => {
  site.enrolment = (request, response) =>
    request.method === 'POST' ? json(response, 503, errorBody('dependency_unavailable')) : json(response, 200, {})
  const failed = await add([urlAt() + pins, '--ca', caFile])
  expect(failed).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(new RegExp(`refused \\(503 .*--resume ${PEER_ID} and the same URL or invitation`)),
  })
  site.enrolment = (request, response) =>
    request.method === 'POST' ? json(response, 410, errorBody('gone')) : json(response, 200, {})
  const used = await add(['--resume', PEER_ID, urlAt() + pins, '--ca', caFile])
  expect(used).toMatchObject({ code: 1, stderr: expect.stringContaining('ask for another token there') })

  site.enrolment = (_, response) => json(response, 200, enrolled())
  expect((await add(['--resume', PEER_ID, urlAt() + pins, '--ca', caFile])).code).toBe(0)
  expect(site.heard.at(-2)?.body).toMatchObject({ peerId: PEER_ID })
})

test('a third step that failed leaves the certificate, with which it goes on', async () => {
  site.answers['peer:cert'] = () => ({ refuse: 503, error: errorBody('dependency_unavailable') })
  const failed = await add([urlAt() + pins, '--ca', caFile])
  expect(failed).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      `the certificate is kept: go on with: federation peer add --resume ${PEER_ID} --certificate ./peer-${PEER_ID}.pem`,
    ),
  })
  expect(statSync(kept()).mode & 0o777).toBe(0o600)
  expect(readFileSync(kept(), 'utf8')).toContain(`# grantId: ${GRANT_ID}\n`)
  const first = site.heard.at(-1)?.body

  site.answers['peer:cert'] = () => aPeer({ direction: 'outbound' })
  const before = sent().length
  expect((await add(['--resume', PEER_ID, '--certificate', `./peer-${PEER_ID}.pem`])).code).toBe(0)
  const second = site.heard.at(-1)?.body as Record<string, string>
  expect({ ...second, certPem: second.certPem!.trim(), certChainPem: second.certChainPem!.trim() }).toEqual({
    ...(first as object),
    certPem: enrolled().certPem.trim(),
    certChainPem: enrolled().certChainPem.trim(),
  })
  expect([sent().length, existsSync(kept())]).toEqual([before, false])
})

test('one that is killed before the last step has left the certificate', async () => {
  const reached = new Promise<void>((resolve) => {
    site.answers['peer:cert'] = () => ({ raw: () => resolve() })
  })
  const { child, ended: over } = site.begin(['peer', 'add', urlAt() + pins, '--ca', caFile])
  await reached
  child.kill('SIGKILL')
  await over
  expect(readFileSync(kept(), 'utf8')).toContain('BEGIN CERTIFICATE')
  rmSync(kept())
})

test.each<[string, readonly string[]]>([
  ['neither URL nor invitation', []],
  ['both', ['https://b.example', '--invitation', 'x']],
  ['a certificate without a peer', ['--certificate', 'x']],
  ['a peer that is no id', ['--resume', 'b.example', 'https://b.example']],
])('%s is usage', async (_, args) => {
  expect(await add(args)).toMatchObject({ code: 2, stderr: expect.stringContaining('see federation peer add --help') })
})

test('a file that peer add did not keep is none to go on with', async () => {
  const ran = await add(['--resume', PEER_ID, '--certificate', caFile])
  expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('is not one that peer add kept') })
  expect(steps()).toEqual([])
})
