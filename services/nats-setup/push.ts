import { ACCOUNT_NAMES, type AccountName } from '../shared/nats/roles.ts'
import { decodeSigned } from '../shared/nats/signed-jwt.ts'
import { StartFailure } from '../shared/start-failure.ts'
import { type Asked, askBroker } from './broker.ts'
import type { Broker, Configuration } from './config.ts'
import { ClaimsOlder, NscFailed, PushIncomplete } from './failures.ts'
import type { Nsc } from './nsc.ts'
import { allAccounts } from './outputs.ts'
import { nscOf } from './setup.ts'
import { together } from './together.ts'

/** How many times as long a broker is waited for that did not answer in time. */
const PATIENCE = 5
/** Of one call of nsc, which waits all of it, and is ended after a minute. */
const MOST_SECONDS = 50

/** What became of the claims of each account. */
export interface Pushed {
  readonly pushed: readonly AccountName[]
  /** The broker had these claims already. */
  readonly there: readonly AccountName[]
}

/** Brings the claims of every account to the broker, and sees that they are there. For who holds the store. */
export async function pushClaims(configuration: Configuration): Promise<Pushed> {
  const broker = brokerOf(configuration)
  const nsc = nscOf(configuration)
  const claims = await allAccounts(nsc)
  return askBroker(configuration, broker, async (asked) => {
    const ours = ACCOUNT_NAMES.map((name) => ({ name, key: claims[name].claims.sub, jwt: claims[name].jwt }))
    const found = await claimsAt(asked, ours)
    demandNotNewer(ours, found)
    const missing = ours.filter(({ name, jwt }) => found.get(name) !== jwt)
    // Each call of nsc waits its whole time for further brokers, so these wait side by side.
    const refusals = await together(missing.map(({ name }) => pushWithPatience(nsc, broker, name)))
    const refused = missing.flatMap(({ name }, at) => (refusals[at] === undefined ? [] : name))
    const [why] = refusals.filter((one) => one !== undefined)
    if (why !== undefined) throw new PushIncomplete(refused, why)
    const after = await claimsAt(asked, missing)
    const others = missing.flatMap(({ name, jwt }) => (after.get(name) === jwt ? [] : name))
    if (others.length > 0) throw new PushIncomplete(others, 'when asked, it answered other ones')
    const pushed = missing.map(({ name }) => name)
    return { pushed, there: ACCOUNT_NAMES.filter((name) => !pushed.includes(name)) }
  })
}

/** @throws StartFailure where none is configured */
export function brokerOf({ broker }: Configuration): Broker {
  if (broker !== undefined) return broker
  throw new StartFailure('config_invalid', 'the key broker is missing; claims are pushed to the one that it names')
}

interface Ours {
  readonly name: AccountName
  readonly key: string
  readonly jwt: string
}

type Found = ReadonlyMap<AccountName, string | undefined>

async function claimsAt({ claimsOf }: Asked, accounts: readonly Ours[]): Promise<Found> {
  return new Map(await Promise.all(accounts.map(async ({ name, key }) => [name, await claimsOf(name, key)] as const)))
}

/** The broker takes whatever the operator signed, and with older claims a revoked user would be back. */
function demandNotNewer(ours: readonly Ours[], found: Found): void {
  const newer = ours.flatMap(({ name, jwt }) => {
    const theirs = found.get(name)
    return theirs !== undefined && decodeSigned(theirs).iat > decodeSigned(jwt).iat ? name : []
  })
  if (newer.length > 0) throw new ClaimsOlder(newer)
}

/** A broker that is slow to answer is pushed to once more, and waited for longer: the first time is that of all brokers that are not. */
async function pushWithPatience(nsc: Nsc, broker: Broker, name: AccountName): Promise<string | undefined> {
  const refusal = await pushOne(nsc, broker, name)
  if (refusal === undefined || !refusal.includes('nats: timeout')) return refusal
  return pushOne(nsc, { ...broker, timeoutSeconds: Math.min(broker.timeoutSeconds * PATIENCE, MOST_SECONDS) }, name)
}

/** @returns why the broker did not take the claims, undefined when it did */
async function pushOne(
  nsc: Nsc,
  { url, ca, cert, key, timeoutSeconds }: Broker,
  name: AccountName,
): Promise<string | undefined> {
  // nsc knows no tls://. That it is told a CA makes it demand TLS.
  const to = ['--account-jwt-server-url', url.replace(/^tls:/, 'nats:'), '--timeout', String(timeoutSeconds)]
  const tls = ['--ca-cert', ca, '--client-cert', cert, '--client-key', key]
  const args = ['push', '--account', name, ...to, ...tls]
  try {
    const said = await nsc.run(args)
    const [, count] = /\bpushed to a total of (\d+) nats-server/.exec(said) ?? []
    return count === '1'
      ? undefined
      : `${count ?? 'not even 0'} brokers answered nsc that they took them, and one should`
  } catch (failure) {
    if (failure instanceof NscFailed) return failure.message
    throw failure
  }
}
