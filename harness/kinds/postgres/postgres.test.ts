import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { processesOf } from '../../agent/labelled.ts'
import type { Backend, Site } from '../../backends/backend.ts'
import { netnsBackend } from '../../backends/netns/index.ts'
import { processBackend } from '../../backends/process/index.ts'
import { openDatabase } from '../../site/database.ts'
import { until } from '../../site/until.ts'
import { mistakesIn } from '../../topology/fixtures/mistakes-in.ts'
import { lab, labPlan } from './testing/lab.ts'

// Sites of their own, one after the other.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const evidence = await mkdtemp(join(tmpdir(), 'holdfast-postgres-'))
afterAll(() => rm(evidence, { recursive: true, force: true }))

const unavailable = await netnsBackend.unavailable()

describe.each<[string, Backend]>([
  ['process', processBackend],
  ...(unavailable === undefined ? [['netns', netnsBackend] as [string, Backend]] : []),
])('on %s', (_, backend) => {
  let site: Site
  beforeAll(async () => {
    site = await backend.launch(labPlan(), { evidence: join(evidence, backend.name) })
  })
  afterAll(() => site?.[Symbol.asyncDispose]())

  const codeOf = (opening: Promise<AsyncDisposable>) =>
    opening.then(
      async (opened) => void (await opened[Symbol.asyncDispose]()),
      (cause: { code?: string }) => cause.code,
    )

  test('whoever has the password that was handed over is in, and whoever has another is not', async () => {
    await using session = await openDatabase(site, 'db-a', { from: 'app-a' })
    const who = await session.query(
      'SELECT current_user AS who, current_database() AS where, rolsuper AS everything FROM pg_roles WHERE rolname = current_user',
    )
    expect(who).toEqual([{ who: 'gateway', where: 'gateway', everything: false }])

    const handed = await site.node('app-a').readFile('units/user/database/password')
    expect(handed).toMatch(/^[0-9a-f]{48}$/)
    expect(await site.node('db-b').readFile('units/db/password')).not.toBe(handed)
    expect(await codeOf(openDatabase(site, 'db-a', { password: handed }))).toBeUndefined()
    const wrong = handed.replace(/^./, (first) => (first === '0' ? '1' : '0'))
    expect(await codeOf(openDatabase(site, 'db-a', { password: wrong }))).toBe('28P01')
  })

  test.each([
    ['a role that is not there', { user: 'nobody_here' }, '28P01'],
    ['whoever may do everything', { user: 'postgres' }, '28000'],
    ['a database that is not there', { database: 'elsewhere' }, '3D000'],
  ])('%s is refused', async (_, options, code) => {
    expect(await codeOf(openDatabase(site, 'db-a', options))).toBe(code)
    expect(await codeOf(openDatabase(site, 'db-a'))).toBeUndefined()
  })

  test('a database with a certificate lets nobody in without TLS, and shows one of its trust domain', async () => {
    await using session = await openDatabase(site, 'db-b', { from: 'app-b' })
    expect(await session.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')).toEqual([{ ssl: true }])
    const plain = structuredClone(site.plan)
    plain.nodes['db-b']!.units.find(({ name }) => name === 'db')!.insider!.stores!.tls = false
    expect(
      await codeOf(
        openDatabase({ plan: plain, nodes: site.nodes, node: (name: string) => site.node(name) } as Site, 'db-b'),
      ),
    ).toBe('28000')
  })

  test('the owner makes roles and tables; a dump holds each row of each table, and names what may not be read', async () => {
    await using owner = await openDatabase(site, 'db-a')
    await owner.query('CREATE SCHEMA "Apart"')
    await owner.query('CREATE TABLE "Apart"."Rows" (id int, bytes bytea)')
    await owner.query('CREATE TABLE plain (id int)')
    await owner.query('INSERT INTO "Apart"."Rows" VALUES (2, NULL), (1, $1)', [Buffer.from('marker')])
    expect(await owner.dump()).toEqual({
      '"Apart"."Rows"': ['{"id":1,"bytes":"\\\\x6d61726b6572"}', '{"id":2,"bytes":null}'],
      'public.plain': [],
    })

    await owner.query("CREATE ROLE app LOGIN PASSWORD 'a-password-of-the-app'")
    await owner.query('GRANT CONNECT ON DATABASE gateway TO app')
    await using app = await openDatabase(site, 'db-a', { user: 'app', password: 'a-password-of-the-app' })
    await expect(app.dump()).rejects.toMatchObject({ code: '42501' })
    await expect(app.query('CREATE TABLE mine (id int)')).rejects.toMatchObject({ code: '42501' })
    // A refused statement ends no session.
    expect(await app.query('SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  test('what was committed before a kill is there after it, and what was not is not', async () => {
    const node = site.node('db-a')
    await using before = await openDatabase(site, 'db-a')
    await before.query('CREATE TABLE kept (id int)')
    await before.query('INSERT INTO kept SELECT generate_series(1, 1000)')
    await before.query('BEGIN')
    await before.query('INSERT INTO kept VALUES (0)')
    await node.kill('db')
    await expect(before.query('COMMIT')).rejects.toThrow()
    expect(await processesOf({ run: site.run, unit: 'db-a/db' })).toEqual([])

    await node.start('db')
    await using after = await openDatabase(site, 'db-a')
    expect(await after.query('SELECT count(*)::int AS n, min(id) FROM kept')).toEqual([{ n: 1000, min: 1 }])
  })

  test('paused, all of it stands still, and goes on where it was; stopped, it waits for nobody', async () => {
    const node = site.node('db-a')
    await using session = await openDatabase(site, 'db-a', { timeoutMs: 60_000 })
    await node.pause('db')
    // A signal takes effect when its process is next to run.
    const isStill = async () => (await states()).every((state) => state === 'T')
    await until('all of it to stand still', isStill, { withinMs: 5_000 })
    let answered = false
    const answer = session.query('SELECT 1 AS one').finally(() => {
      answered = true
    })
    await expect(openDatabase(site, 'db-a', { timeoutMs: 300 })).rejects.toThrow()
    expect(answered).toBe(false)
    await node.resume('db')
    expect(await answer).toEqual([{ one: 1 }])

    // Its session is still there.
    const began = performance.now()
    await node.stop('db')
    expect(performance.now() - began).toBeLessThan(4_000)
    expect(node.logs('db').at(-1)).toMatch(/database system is shut down$/)
    await node.start('db')
    expect(await codeOf(openDatabase(site, 'db-a'))).toBeUndefined()

    /** Of the server, and of what it started: each in a session of its own. */
    async function states() {
      const pids = (await processesOf({ run: site.run, unit: 'db-a/db' })).map(String)
      expect(pids.length).toBeGreaterThan(4)
      const script = 'for pid; do cut -d " " -f 3 "/proc/$pid/stat"; done'
      return (await node.exec(['sh', '-c', script, 'sh', ...pids])).stdout.trim().split('\n')
    }
  })

  test('nothing of it is outside of its folder, or readable for others', async () => {
    const [server] = await processesOf({ run: site.run, unit: 'db-a/db' })
    const said = async (...argv: string[]) => (await site.node('db-a').exec(argv)).stdout.trim()
    if (process.getuid?.() === 0) expect(await said('ps', '-o', 'user=', '-p', String(server))).toBe('nobody')
    expect(await said('find', 'units/db', '!', '-type', 'l', '-perm', '/077')).toBe('')
    expect(await said('find', 'units/db', '-type', 's')).toBe('')
    // Its shared memory is in a namespace that ends with it.
    expect(await said('sh', '-c', 'readlink /proc/$0/ns/ipc', String(server))).not.toBe(
      await said('readlink', '/proc/self/ns/ipc'),
    )
    const everything = JSON.stringify(site.plan) + site.node('db-a').logs().join('\n')
    expect(everything).not.toContain(await site.node('db-a').readFile('units/db/password'))
  })

  test('who shares no network with it does not find it, and has no way to it where networks are apart', async () => {
    const listener = site.plan.nodes['db-a']!.units.find(({ name }) => name === 'db')!.service!.listeners[0]!
    const reach = (from: string) =>
      site
        .node(from)
        .seat.connect({ address: site.node('db-a').address, port: listener.port }, AbortSignal.timeout(2_000))
        .then(({ stream }) => void stream.destroy())
    await expect(reach('app-a')).resolves.toBeUndefined()
    await expect(openDatabase(site, 'db-a', { from: 'app-b' })).rejects.toThrow(/is not in the network/)
    if (backend.capabilities.networks) await expect(reach('app-b')).rejects.toThrow()
  })
})

test('when its site is released, nothing of it is left, paused or killed as it was', async () => {
  const before = await forsaken()
  const site = await processBackend.launch(labPlan(), { evidence: join(evidence, 'released') })
  await site.node('db-a').pause('db')
  await site.node('db-b').kill('db')
  const { run } = site
  await site[Symbol.asyncDispose]()
  expect(await processesOf({ run })).toEqual([])
  // Others may be making theirs just now.
  const left = async () => (await forsaken()).filter((segment) => !before.includes(segment))
  await until('no shared memory is left', async () => (await left()).length === 0, { withinMs: 5_000 })

  /** Shared memory of System V that nobody has. */
  async function forsaken() {
    const rows = (await readFile('/proc/sysvipc/shm', 'utf8').catch(() => '')).trim().split('\n').slice(1)
    return rows
      .map((row) => row.trim().split(/\s+/))
      .flatMap(([, id, , , , , attached]) => (attached === '0' ? id! : []))
  }
})

test('a port that somebody has is told by name', async () => {
  await using first = await processBackend.launch(labPlan(), { evidence: join(evidence, 'first') })
  const address = first.node('db-a').address
  await first.node('db-a').stop('db')
  const taken = createServer((socket) => socket.destroy()).listen(5432, address)
  try {
    await expect(first.node('db-a').start('db')).rejects.toThrow(
      /db-a\/db was not ready: its program exited with 1 before it answered.*others of the run listen on that port/,
    )
    expect(first.node('db-a').logs('db').join('\n')).toContain('Address already in use')
  } finally {
    await new Promise((resolve) => taken.close(resolve))
  }
  await first.node('db-a').start('db')
})

test('a database that is up elsewhere is used with the password of a file, which must be closed to others', async () => {
  const file = join(evidence, 'password')
  await using there = await processBackend.launch(labPlan(), { evidence: join(evidence, 'there') })
  await writeFile(file, await there.node('db-a').readFile('units/db/password'), { mode: 0o600 })
  const url = `postgres://gateway@${there.node('db-a').address}:5432/gateway`
  const plan = () => labPlan(lab({ a: { url, password: file } as never }))
  {
    await using site = await processBackend.launch(plan(), { evidence: join(evidence, 'elsewhere') })
    expect(await site.node('app-a').readFile('units/user/database/password')).toMatch(/^[0-9a-f]{48}$/)
    await using session = await openDatabase(site, 'db-a', { from: 'app-a' })
    expect(await session.query('SELECT current_user AS who')).toEqual([{ who: 'gateway' }])
    await expect(site.node('db-a').stop('db')).rejects.toMatchObject({ code: 'HOLDFAST_UNIT_STATE' })
  }
  await chmod(file, 0o644)
  await expect(processBackend.launch(plan(), { evidence: join(evidence, 'open') })).rejects.toThrow(
    /settings\.password[\s\S]*can be read by others/,
  )
})

const mistakesOf = (a: object) => mistakesIn(() => labPlan(lab({ a: a as never })))

test.each([
  ['neither database nor url', {}, 'settings.database must be there, or url, and not both'],
  ['both', { database: 'x', url: 'postgres://a@h/b', password: 'f' }, 'settings.database must be there, or url'],
  ['a password for one of ours', { database: 'x', password: 'f' }, 'settings.password goes with url'],
  ['no password', { url: 'postgres://a@h/b' }, 'settings.password goes with url'],
  ['a password in the URL', { url: 'postgres://a:secret@h/b', password: 'f' }, 'settings.url holds a password'],
  [
    'a URL that names no database',
    { url: 'postgres://a@h', password: 'f' },
    'settings.url must be postgres://USER@HOST',
  ],
  ['a name with quotes', { database: 'x"' }, 'settings.database must be lower-case letters'],
  ['an owner who may do everything', { database: 'x', owner: 'postgres' }, 'settings.owner must not be postgres'],
])('%s is a mistake', (_, settings, message) => {
  const found = mistakesOf(settings).map((one) => `${one.path.replace('nodes.db-a.units.db.', '')} ${one.message}`)
  expect(found.join('\n')).toContain(message)
  expect(found.join('\n')).not.toContain('secret@')
  expect(mistakesOf({ database: 'x' })).toEqual([])
})

test('who names a node without a database is told so', () => {
  const declared = lab()
  Object.assign(declared.nodes['app-a']!.units!.user!, { settings: { database: 'app-b' } })
  expect(
    mistakesIn(() => labPlan(declared))
      .map(({ message }) => message)
      .join('\n'),
  ).toContain('needs the listener "postgres" of "app-b"')
})
