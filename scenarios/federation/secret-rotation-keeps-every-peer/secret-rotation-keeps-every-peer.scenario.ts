import { expect, putFile, putJsonFile, scenario } from 'holdfast/vitest'
import { lend, newUser } from '../asking.ts'
import { doneBy, gatewayCommand, killHalfWay } from '../commands.ts'
import { type Federation, federation, places } from '../federation.ts'

const test = scenario('federation', { own: true }).extend('federation', federation)

const previous = 'units/gateway/previous-secret'

interface Sealing {
  sealing: { previousFile?: string }
}

async function restart({ site }: Federation, change: (json: Sealing) => void): Promise<void> {
  const node = site.node('gateway-a')
  await node.stop('gateway')
  await putJsonFile<Sealing>(site, 'gateway-a', places.configuration, change)
  await node.start('gateway')
}

interface Keys {
  /** What seals now. */
  readonly current: string
  readonly previous: readonly string[]
  readonly outdated: number
  readonly resealed: number
  readonly unopened: readonly unknown[]
}

const keys = (federation: Federation, word: 'status' | 'rotate') =>
  doneBy<Keys>(gatewayCommand(federation, 'a', ['keys', word]))

/** How many keys each secret has sealed, by what stands in the database. */
async function rowsByKid(federation: Federation): Promise<Record<string, number>> {
  const rows = await (await federation.database('a')).query<{ kid: string; rows: number }>(
    `SELECT split_part(sealed_key, '.', 2) AS kid, count(*)::int AS rows FROM federation_peer_credentials GROUP BY 1`,
  )
  return Object.fromEntries(rows.map(({ kid, rows: count }) => [kid, count]))
}

/** So many are sealed anew in one transaction. */
const atOnce = 100

/** Peers that wait for a certificate have a key, too. */
async function peersThatWait(federation: Federation, count: number): Promise<void> {
  const admin = await federation.asAdmin('a')
  const { id: ownerUserId } = await newUser(federation)
  for (let at = 0; at < count; at += 1) {
    const enrollmentUrl = `https://${federation.newName()}/api/federation/enrollment/${'0'.repeat(64)}`
    await admin.ask('peer:keypair', { body: { enrollmentUrl, ownerUserId } })
  }
}

/** Whoever seals a key of the second portion anew waits, until it is let go of; then nobody is at it any more. */
async function secondPortionHeld(federation: Federation) {
  const holder = await federation.database('a')
  const lock = 'hashtext($$the second portion$$)'
  const [row] = await holder.query<{ id: string }>(
    `SELECT id FROM federation_peer_credentials ORDER BY id::text OFFSET ${1.2 * atOnce} LIMIT 1`,
  )
  await holder.query(`
    CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS
      $held$ BEGIN PERFORM pg_advisory_xact_lock(${lock}); RETURN NEW; END $held$;
    CREATE TRIGGER held BEFORE UPDATE ON federation_peer_credentials
      FOR EACH ROW WHEN (OLD.id = '${row!.id}') EXECUTE FUNCTION held();
    SELECT pg_advisory_lock(${lock})`)
  const letGo = () =>
    holder.query(`SELECT pg_advisory_unlock(${lock}); DROP TRIGGER held ON federation_peer_credentials`)
  return { holder, letGo }
}

test('a new secret seals every key while peers are called, also after a kill half-way, and the old one can go', async ({
  federation,
  site,
}) => {
  const asking = [await lend(federation), await lend(federation, { subject: 'bob' }), await lend(federation)]
  const node = site.node('gateway-a')
  const old = await node.readFile(places.sealingSecret)
  const read = async () => {
    const replies = await Promise.all(asking.map(({ user, source }) => user.search('task', { source })))
    return replies.map(({ status, json }) => [status, (json as { _partial?: boolean })._partial])
  }
  const good = asking.map(() => [200, false])
  expect(await read()).toEqual(good)
  await peersThatWait(federation, 1.4 * atOnce)

  await putFile(site, 'gateway-a', previous, old)
  await putFile(site, 'gateway-a', places.sealingSecret, `${crypto.randomUUID()}${crypto.randomUUID()}`)
  await restart(federation, (json) => {
    json.sealing.previousFile = `${node.dir}/${previous}`
  })
  expect(await read()).toEqual(good)
  const before = await keys(federation, 'status')
  expect(before.outdated).toBeGreaterThanOrEqual(1.4 * atOnce + asking.length)

  const [answers, state] = [[] as unknown[], { isOver: false }]
  const traffic = (async () => {
    while (!state.isOver) answers.push(...(await read()))
  })()
  const rotate = async () => {
    const { holder, letGo } = await secondPortionHeld(federation)
    await killHalfWay(federation, 'a', ['keys', 'rotate'], holder)
    const half = await rowsByKid(federation)
    await letGo()
    return { half, rotated: await Promise.all([keys(federation, 'rotate'), keys(federation, 'rotate')]) }
  }
  const { half, rotated } = await rotate().finally(() => {
    state.isOver = true
  })
  await traffic
  const rest = before.outdated - atOnce
  expect(half).toEqual({ [before.previous[0]!]: rest, [before.current]: atOnce })
  expect(rotated.reduce((sum, { resealed }) => sum + resealed, 0)).toBe(rest)
  expect(rotated.flatMap(({ unopened }) => unopened)).toEqual([])
  expect(new Set(answers.map(String))).toEqual(new Set(['200,false']))
  expect(await keys(federation, 'rotate')).toMatchObject({ resealed: 0 })
  expect(await keys(federation, 'status')).toMatchObject({ outdated: 0 })

  await restart(federation, (json) => {
    delete json.sealing.previousFile
  })
  expect(await read()).toEqual(good)
})
