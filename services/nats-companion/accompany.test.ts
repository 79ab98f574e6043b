import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLog } from '../shared/log.ts'
import { accompany } from './companion.ts'

// What cannot be provoked at a broker at will: what it shows a moment later, and a companion that was ended between two records.

const user = `U${'A'.repeat(55)}`
const account = `A${'B'.repeat(55)}`
let dir: string
let broker: Server
let asked: number[]
/** What the broker shows of connections, by how often it was asked about it before. */
let shows: (cid: number, before: number) => object | undefined

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-accompany-'))
  asked = []
  shows = () => ({ account, authorized_user: user })
  broker = createServer(({ url = '' }, response) => {
    const cid = Number(new URL(url, 'http://broker').searchParams.get('cid'))
    const entry = shows(cid, asked.filter((one) => one === cid).length)
    asked.push(cid)
    response.end(JSON.stringify({ connections: entry === undefined ? [] : [entry] }))
  })
  await new Promise<void>((resolve) => broker.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  broker.closeAllConnections()
  broker.close()
  await rm(dir, { recursive: true, force: true })
})

const timeText = (at: number) => new Date(at).toISOString().replace('T', ' ').replaceAll('-', '/').replace('Z', '000')
const lineOf = (cid: number, level: string, text: string, at = Date.now()) =>
  `[1] ${timeText(at)} [${level}] 127.0.0.9:${cid} - cid:${cid} - ${text}\n`
const begun = (cid: number, at?: number) => lineOf(cid, 'DBG', 'Client connection created', at)
const found = (cid: number, at?: number) =>
  begun(cid, at) +
  lineOf(
    cid,
    'DBG',
    `Authenticated JWT: Client "${user}" (claim-name: "a", claim-tags: []) signed with "A1" by Account "${account}" (claim-name: "W", claim-tags: []) signed with "O1"`,
    at,
  )
const closed = (cid: number, at?: number) => lineOf(cid, 'DBG', 'Client connection closed: Client Closed', at)

/** What is on record of connections once `count` records are, and each is followed by another one that shows that all before was heard. */
async function recordedOf(log: string, count: number): Promise<string[]> {
  const decisionLog = join(dir, 'decisions.jsonl')
  await writeFile(join(dir, 'nats.log'), log)
  const { port } = broker.address() as AddressInfo
  const stop = new AbortController()
  const following = accompany(
    {
      ...{ node: 'nats-1', unit: 'nats-server', listener: 'nats', log: join(dir, 'nats.log'), decisionLog },
      monitoring: `http://127.0.0.1:${port}`,
    },
    { signal: stop.signal, log: createLog({ node: 'nats-1', unit: 'nats-companion' }), print: () => {} },
  )
  const records = async () => (await readFile(decisionLog, 'utf8')).split('\n').slice(0, -1)
  try {
    await vi.waitFor(async () => expect((await records()).length).toBeGreaterThanOrEqual(count), { timeout: 10_000 })
  } finally {
    stop.abort()
    await following
  }
  return (await records()).map((line) => {
    const { conn, verdict } = JSON.parse(line) as { conn: string; verdict: string }
    return `${conn} ${verdict}`
  })
}

const refused = (cid: number) =>
  begun(cid) + lineOf(cid, 'ERR', 'TLS handshake error: tls: first record does not look like a TLS handshake')

test('who has just closed is shown a moment later, and was in', async () => {
  shows = (_, before) => (before < 3 ? undefined : { account, authorized_user: user, reason: 'Client Closed' })
  expect(await recordedOf(found(7) + closed(7) + refused(8), 2)).toEqual([
    '127.0.0.9:7 accepted',
    '127.0.0.9:8 refused',
  ])
  expect(asked).toEqual([7, 7, 7, 7])
})

test('whom the broker has forgotten is not waited for', async () => {
  shows = () => undefined
  const before = Date.now() - 60_000
  expect(await recordedOf(found(7, before) + closed(7, before) + refused(8), 1)).toEqual(['127.0.0.9:8 refused'])
  expect(asked).toEqual([7])
})

test('one that is started again writes what was not written yet, nothing twice, and asks about nobody else', async () => {
  const log = found(7) + closed(7) + found(8) + refused(9)
  await writeFile(join(dir, 'nats.log'), log)
  const { ino, birthtimeMs } = await stat(join(dir, 'nats.log'))
  const sourced = (conn: string, verdict: string, line: number) =>
    `${JSON.stringify({ conn, verdict, source: { file: `${ino}@${birthtimeMs}`, line } })}\n`
  // It was ended before it believed that the second was in, and had heard of the third by then.
  const written = sourced('127.0.0.9:7', 'accepted', 2) + sourced('127.0.0.9:9', 'refused', 7)
  await writeFile(join(dir, 'decisions.jsonl'), written, { mode: 0o600 })
  expect(await recordedOf(log, 3)).toEqual(['127.0.0.9:7 accepted', '127.0.0.9:9 refused', '127.0.0.9:8 accepted'])
  expect([...new Set(asked)]).toEqual([8])
})
