import { randomBytes } from 'node:crypto'
import { Keyring, SealFailure } from '../sealing/keyring.ts'
import { one } from '../storage/database.ts'
import { embeddedObstacle, embeddedUrl } from '../storage/embedded.ts'
import { MigrationMismatch, migrationsOf, missingOf } from '../storage/migrate.ts'
import { setting } from '../storage/settings.ts'
import { mayChange, OLDEST_VERSION } from '../storage/start-check.ts'
import { sql } from '../storage/statement.ts'
import { StoreUnavailable, stateOf } from '../storage/unavailable.ts'
import type { Examined } from './examined.ts'
import { type Finding, fail, failAs, notMade, ok, warn } from './finding.ts'

export async function connect(examined: Examined): Promise<Finding> {
  const databaseUrl = examined.start!.secrets!.databaseUrl ?? (await embeddedUrl(examined.configuration!.dataDir))
  if (databaseUrl === undefined) return ofEmbedded(examined)
  examined.databaseUrl = databaseUrl
  const target = URL.parse(databaseUrl)
  if (target === null || !/^postgres(ql)?:$/.test(target.protocol)) {
    return fail('databaseUrl is no URL of a PostgreSQL', 'give postgres://USER:PASSWORD@HOST:PORT/DATABASE')
  }
  try {
    await examined.login.query(sql`SELECT 1`)
  } catch (failure) {
    return failAs((failure as Error).message, 'see that it runs, and that it takes this login')
  }
  const place = `${examined.login.place}`
  if (isLoopback(target.hostname) || target.searchParams.get('sslmode') === 'verify-full') return ok(`${place} answers`)
  const remedy = 'add sslmode=verify-full to databaseUrl'
  return warn(`${place} answers, over a network and without a proof that it is the right one`, remedy)
}

/** One of its own is not started: it may be that somebody has stopped it. What would keep it from being started is told all the same. */
async function ofEmbedded({ configuration }: Examined): Promise<Finding> {
  const { dataDir, postgres: program } = configuration!
  const obstacle = await embeddedObstacle({ dataDir, program })
  if (obstacle !== undefined) return failAs(obstacle.message, 'see gateway start')
  return notMade(`the PostgreSQL in ${dataDir} does not run: it does with the gateway`)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

export async function version({ login }: Examined): Promise<Finding> {
  const server = await one<{ number: number; name: string }>(
    login,
    sql`SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS name`,
  )
  const { number, name } = server!
  return number >= OLDEST_VERSION
    ? ok(`PostgreSQL ${name}`)
    : fail(`PostgreSQL ${name} is too old`, 'name one of version 15 or newer')
}

const INSUFFICIENT_PRIVILEGE = '42501'

export async function migrations({ login }: Examined): Promise<Finding> {
  try {
    const done = await migrationsOf(login)
    const missing = missingOf(done, undefined, login.place)
    if (missing.length === 0) return ok(`${done!.length} migrations are done, and none is missing`)
    return fail(`${login.place} lacks ${missing.map(({ name }) => name).join(', ')}`, 'run gateway migrate')
  } catch (failure) {
    if (stateOf(failure) === INSUFFICIENT_PRIVILEGE) return notMade('this login may not look: see postgres.roles')
    if (!(failure instanceof MigrationMismatch)) throw failure
    return failAs(failure.message, 'start the version that made it')
  }
}

const ROLES = ['gateway_app', 'gateway_archiver']

interface FoundRole {
  readonly name: string
  readonly isMember: boolean
  readonly isMighty: boolean
}

/** Sessions of the gateway begin as `gateway_app`, and the archive is written as `gateway_archiver`: neither may do more. */
export async function roles({ login }: Examined): Promise<Finding> {
  const found = await login.query<FoundRole>(sql`
    SELECT rolname AS name, pg_has_role(current_user, oid, 'MEMBER') AS "isMember",
      rolsuper OR rolbypassrls OR rolcreaterole OR rolcanlogin AS "isMighty"
    FROM pg_roles WHERE rolname = ANY(${ROLES}::text[])`)
  const absent = ROLES.filter((role) => !found.some(({ name }) => name === role))
  if (absent.length > 0) return fail(`there is no role ${absent.join(' and no role ')}`, 'run gateway migrate')
  const foreign = found.filter(({ isMember }) => !isMember).map(({ name }) => name)
  if (foreign.length > 0) {
    return fail(`the login is no member of ${foreign.join(' and ')}`, `GRANT ${foreign.join(', ')} TO the login`)
  }
  const mighty = found.filter(({ isMighty }) => isMighty).map(({ name }) => name)
  if (mighty.length === 0) return ok(`the login is a member of ${ROLES.join(' and ')}`)
  const remedy = `ALTER ROLE … NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE for ${mighty.join(' and ')}`
  return fail(`${mighty.join(' and ')} may log in, or do more than a gateway may`, remedy)
}

export async function appendOnly({ app }: Examined): Promise<Finding> {
  const found = await one<{ role: string; may: string[] }>(app, mayChange)
  const { role, may } = found!
  if (may.length === 0) return ok(`${role} may add to the audit, and change nothing of it`)
  const remedy = 'let it be gateway_app, and own nothing; put the trigger back by gateway migrate on a copy'
  return fail(`${role} may change the audit (${may.join(', ')})`, remedy)
}

export async function vector({ login }: Examined): Promise<Finding> {
  const found = await one<{ version: string }>(
    login,
    sql`SELECT extversion AS version FROM pg_extension WHERE extname = 'vector'`,
  )
  return found === undefined
    ? notMade('the extension vector is not there, and nothing needs it')
    : ok(`vector ${found.version}`)
}

/** 32 bytes that are this database's own; undefined before its first start. */
async function keyringOf({ app, start }: Examined): Promise<Keyring | undefined> {
  const salt = await setting<string>(app, 'salt')
  const { secret, previous } = start!.secrets!.sealing!
  return salt === undefined ? undefined : new Keyring({ secret, previous, salt: Buffer.from(salt, 'base64') })
}

export async function sealRoundTrip(examined: Examined): Promise<Finding> {
  if (examined.start!.secrets!.sealing === undefined) return notMade('nothing is sealed')
  const keyring = await keyringOf(examined)
  if (keyring === undefined) return notMade('the database has no salt before the first start')
  const plaintext = randomBytes(32)
  const place = { rowId: crypto.randomUUID(), peerId: crypto.randomUUID() }
  const isSame = keyring.open(keyring.seal(plaintext, place), place).equals(plaintext)
  return isSame
    ? ok(`sealed and opened by key ${keyring.kid}`)
    : fail('what was sealed opens as something else', 'replace this installation')
}

const AT_ONCE = 500
const NAMED_AT_MOST = 5

interface SealedRow {
  readonly id: string
  readonly peerId: string
  readonly sealedKey: string
}

/** Opens the key of each peer, of every tenant. */
export async function sealedRows(examined: Examined): Promise<Finding> {
  if (examined.start!.secrets!.sealing === undefined) return notMade('nothing is sealed')
  const keyring = await keyringOf(examined)
  if (keyring === undefined) return notMade('the database has no salt before the first start')
  const broken: SealFailure[] = []
  let [rows, outdated] = [0, 0]
  for (let after = ''; ; ) {
    const some: SealedRow[] = await examined.app.query(sql`
      SELECT id, peer_id AS "peerId", sealed_key AS "sealedKey" FROM federation_peer_credentials
      WHERE id::text > ${after} ORDER BY id::text LIMIT ${AT_ONCE}::int`)
    for (const { id, peerId, sealedKey } of some) {
      const failure = sealFailureOf(keyring, sealedKey, { rowId: id, peerId })
      if (failure !== undefined) broken.push(failure)
      else if (keyring.isOutdated(sealedKey)) outdated += 1
    }
    rows += some.length
    after = some.at(-1)?.id ?? ''
    if (some.length < AT_ONCE) break
  }
  if (broken.length > 0) return brokenRows(broken, rows)
  if (outdated === 0) return ok(`${rows} keys of peers open`)
  return warn(`${rows} keys of peers open, ${outdated} of them by a previous secret`, 'run gateway keys rotate')
}

function sealFailureOf(
  keyring: Keyring,
  envelope: string,
  place: { rowId: string; peerId: string },
): SealFailure | undefined {
  try {
    keyring.open(envelope, place).fill(0)
    return undefined
  } catch (failure) {
    if (failure instanceof SealFailure) return failure
    throw failure
  }
}

function brokenRows(broken: readonly SealFailure[], rows: number): Finding {
  const named = broken.slice(0, NAMED_AT_MOST).map(({ message }) => message.slice(0, message.lastIndexOf('; ')))
  const more = broken.length > named.length ? `; and ${broken.length - named.length} more` : ''
  const isSecret = broken.some(({ code }) => code === 'SEAL_KEY_UNKNOWN')
  const remedy = isSecret
    ? 'give the secret that sealed them in BETTER_AUTH_SECRET_PREVIOUS, or enrol these peers again'
    : 'enrol these peers again (federation grant token --re-enrol at the lender)'
  return fail(`${broken.length} of ${rows} keys do not open: ${named.join('; ')}${more}`, remedy)
}

/** What went wrong with the database, in words. */
export function storeFinding(failure: unknown): Finding {
  const { message } = failure as Error
  return failure instanceof StoreUnavailable
    ? failAs(message, 'see that the database runs')
    : fail(message, 'see the log of the database')
}
