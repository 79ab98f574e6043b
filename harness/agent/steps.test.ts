import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { oneshot } from '../backends/fixtures/plans.ts'
import { listenAsIssuer, type ScriptedIssuer } from '../counterparts/issuer/scripted-issuer.ts'
import { issueLeaf, rogueAuthority } from '../pki/authority.ts'
import { localSeat } from '../protocols/seat.ts'
import type { HttpCall } from '../topology/plan.ts'
import type { UnitAtWork } from './execute.ts'
import { contextOf, type NodeContext, UnexpectedAnswer } from './node-context.ts'
import { runSteps } from './steps.ts'

let issuer: ScriptedIssuer
let work: UnitAtWork
let dir: string

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-steps-'))
  const authority = await rogueAuthority()
  await writeFile(join(dir, 'ca.pem'), authority.anchorPem)
  const certificate = await issueLeaf({ authority, subject: 'auth.test', sans: ['auth.test'] })
  issuer = await listenAsIssuer({ seat: localSeat(), host: 'auth.test', certificate })
  const plan = { nodes: { auth: { name: 'auth', host: 'auth.test', units: [] } } }
  const node = { name: 'node', units: [] }
  const context = { dir, plan, node, address: '127.0.0.1', addressOf: () => '127.0.0.1' } as unknown as NodeContext
  const signal = new AbortController().signal
  work = { ...contextOf(context, oneshot('unit', [], [])), log: [], signal }
})
afterEach(() => issuer.reset())
afterAll(async () => {
  await issuer[Symbol.asyncDispose]()
  await rm(dir, { recursive: true, force: true })
})

const fetchKeys = () =>
  runSteps(work, [
    {
      fetch: {
        url: issuer.url,
        discover: 'jwks_uri',
        ca: '@{dir}/ca.pem',
        to: { path: '@{dir}/keys/jwks.json', mode: '0600' },
      },
    },
  ])

test('fetches the keys from where the metadata say, for the user alone', async () => {
  await fetchKeys()

  expect(JSON.parse(await readFile(join(dir, 'keys/jwks.json'), 'utf8'))).toEqual({ keys: [] })
  expect((await stat(join(dir, 'keys/jwks.json'))).mode & 0o777).toBe(0o600)
  expect((await stat(join(dir, 'keys'))).mode & 0o777).toBe(0o700)
})

test.each([
  ['in plaintext', 'http://auth.test:1/jwks', 'HOLDFAST_METADATA'],
  ['nowhere', undefined, 'HOLDFAST_NOT_OFFERED'],
])('fetches no keys that are %s', async (_, jwks_uri, code) => {
  issuer.script('metadata', { status: 200, body: { issuer: issuer.url, jwks_uri } })

  await expect(fetchKeys()).rejects.toMatchObject({ code })
  expect(issuer.requests).toHaveLength(1)
})

test('a token that lies in a file goes along as a bearer’s, and no other call has one', async () => {
  await writeFile(join(dir, 'operator-token'), 'a-token-of-somebody\n')
  const call: HttpCall = { method: 'GET', url: `${issuer.url}/jwks`, tls: { ca: '@{dir}/ca.pem' }, expect: [200] }
  await runSteps(work, [{ call: { ...call, bearer: '@{dir}/operator-token' } }, { call }])

  const carried = issuer.requests.map(({ headers }) => headers.authorization)
  expect(carried).toEqual(['Bearer a-token-of-somebody', undefined])
})

test('an answer that nobody expected is told without the token in it', () => {
  const call: HttpCall = { method: 'POST', url: 'https://auth.test/tokens', tls: { ca: '' }, expect: [201] }
  const token = `eyJhbGciOiJFUzI1NiJ9.${'p'.repeat(40)}.${'s'.repeat(40)}`
  const { message } = new UnexpectedAnswer(call, 200, JSON.stringify({ access_token: token, use: 'peer' }))

  expect(message).toContain('answered 200 instead of 201: {"access_token":"eyJhbGci…","use":"peer"}')
})

test('a file of the user’s is filled in with what its placeholders stand for, and with nothing else', async () => {
  const from = { path: '@{dir}/proxy.conf', values: { port: '8443', cert: '@{unit}/server.pem' } }
  const write = (text: string) => writeFile(join(dir, 'proxy.conf'), text)
  await write('listen @{port} "$port"; cert @{cert};\n')
  await runSteps(work, [{ write: { path: '@{unit}/proxy.conf', from } }])
  const { unitDir } = work
  expect(await readFile(join(unitDir, 'proxy.conf'), 'utf8')).toBe(`listen 8443 "$port"; cert ${unitDir}/server.pem;\n`)

  await write('listen @{prot};\n')
  await expect(runSteps(work, [{ write: { path: '@{unit}/proxy.conf', from } }])).rejects.toThrow(
    'proxy.conf: @{prot} stands for nothing; there are @{port}, @{cert}',
  )
})
