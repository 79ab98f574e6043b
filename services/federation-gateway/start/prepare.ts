import { type DecisionLog, openLogAtStart, refusedStart } from '../../shared/decision-log.ts'
import { firstRefusal, type Guard } from '../../shared/guard.ts'
import { StartFailure } from '../../shared/start-failure.ts'
import type { TlsMaterial } from '../../shared/tls-listener.ts'
import { type Configuration, nodeName } from '../config.ts'
import type { ProvisionerKey } from '../enrolment/provisioner-key.ts'
import { Database } from '../storage/database.ts'
import { EmbeddedFailed, type EmbeddedServer, startEmbedded } from '../storage/embedded.ts'
import { recordedRootPin, rootPin } from '../storage/settings.ts'
import { findStore, startStore } from '../storage/start-check.ts'
import { type PinnedCa, type Secrets, START_GUARDS, type Start, startCa, startConfig, startTls } from './guards.ts'

/** What a gateway serves by, read and found good. */
export interface Prepared {
  readonly configuration: Configuration
  readonly decisions: DecisionLog
  readonly databaseUrl: string
  /** The PostgreSQL of its own, where no other is named. */
  readonly embedded: EmbeddedServer | undefined
  readonly secrets: Secrets
  readonly material: TlsMaterial
  /** Undefined where there is no federation. */
  readonly federation: { readonly ca: PinnedCa; readonly provisionerKey: ProvisionerKey } | undefined
}

/** Reads and judges everything before a socket is opened. What is wrong stands in the decision log, too. @throws StartFailure */
export async function prepare(configuration: Configuration): Promise<Prepared> {
  const { node, unit } = { node: nodeName(configuration), unit: configuration.unit }
  const decisions = openLogAtStart(configuration.decisionLog, { node, unit })
  const start: Start = { configuration, now: Date.now() }
  let embedded: EmbeddedServer | undefined
  try {
    await pass(START_GUARDS, start)
    const { secrets, material, ca, provisionerKey } = start
    if (secrets!.databaseUrl === undefined) embedded = await ownStore(configuration)
    const databaseUrl = secrets!.databaseUrl ?? embedded!.url
    await judgeStore(start, databaseUrl)
    const isFederated = configuration.tier === 'federated'
    const federation = isFederated ? { ca: ca!, provisionerKey: provisionerKey! } : undefined
    return { configuration, decisions, databaseUrl, embedded, secrets: secrets!, material: material!, federation }
  } catch (failure) {
    if (failure instanceof RefusedStart)
      decisions.record(refusedStart({ guard: failure.guard, reason: failure.reason, target: node }))
    await discard({ decisions, embedded })
    throw failure
  }
}

/** What is found wrong once there is a database is on record as what the guards find. @throws what it was given */
export function refuseLate({ configuration, decisions }: Prepared, failure: unknown): never {
  if (failure instanceof StartFailure) {
    decisions.record(refusedStart({ guard: startConfig.id, reason: failure.reason, target: nodeName(configuration) }))
  }
  throw failure
}

/** What a start that comes to nothing leaves. */
export async function discard({ decisions, embedded }: Pick<Prepared, 'decisions' | 'embedded'>): Promise<void> {
  decisions.close()
  if (embedded?.wasThere === false) await embedded.stop()
}

async function ownStore({ dataDir, postgres }: Configuration): Promise<EmbeddedServer> {
  const started = await startEmbedded({ dataDir, program: postgres }).catch((failure: unknown) => {
    if (failure instanceof EmbeddedFailed) return failure
    throw failure
  })
  if (!(started instanceof EmbeddedFailed)) return started
  const mistake = started.message
  await pass([startStore], { mistake }, () => new StartFailure('store_unusable', mistake))
  throw started
}

/** A connection of its own: whoever only checks a configuration leaves none behind. */
async function judgeStore(start: Start, url: string): Promise<void> {
  await using database = new Database({ url, role: 'gateway_app', sessions: 1 })
  const store = await findStore(database)
  await pass([startStore], store, () => new StartFailure('store_unusable', store.mistake!))
  if (start.configuration.tier === 'federated') await judgePin(start, await rootPin(database))
}

/** Of two that start for the first time at once, one is the first: the other's root is judged by that one's. @throws StartFailure */
export async function recordPin(database: Database, { configuration, federation }: Prepared): Promise<void> {
  if (federation === undefined) return
  const start: Start = { configuration, now: Date.now() }
  await judgePin(start, await recordedRootPin(database, federation.ca.fingerprint))
}

function judgePin(start: Start, recordedPin: string | undefined): Promise<void> {
  start.recordedPin = recordedPin
  return pass([startCa], start)
}

/** The certificate of both listeners and the CAs of clients, as their files are now. `pin`: the root that counts. @throws StartFailure */
export async function readMaterial(configuration: Configuration, pin: string | undefined): Promise<TlsMaterial> {
  const start: Start = { configuration, now: Date.now(), recordedPin: pin }
  await pass(pin === undefined ? [startTls] : [startCa, startTls], start)
  return start.material!
}

class RefusedStart extends StartFailure {
  readonly guard: string

  constructor(guard: string, { reason, message }: StartFailure) {
    super(reason, message)
    this.guard = guard
  }
}

async function pass<Context extends object>(
  order: readonly Guard<Context>[],
  context: Context,
  failureOf = () => (context as Partial<Start>).failure!,
): Promise<void> {
  const found = await firstRefusal(order, context)
  if (found !== undefined) throw new RefusedStart(found.guard, failureOf())
}
