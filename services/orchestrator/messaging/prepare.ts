import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type DecisionLog, refusedStart } from '../../shared/decision-log.ts'
import { BrokerRefused, judge } from '../../shared/nats/broker-connection.ts'
import type { CredsDemand } from '../../shared/nats/creds-demand.ts'
import { CredsRefused, readCredsSet } from '../../shared/nats/creds-set.ts'
import { CURRENT_FILE } from '../../shared/nats/manifest.ts'
import { handedTo } from '../../shared/nats/roles.ts'
import { userId } from '../../shared/os-users.ts'
import { StartFailure } from '../../shared/start-failure.ts'
import { readTlsMaterial } from '../../shared/tls-material.ts'
import type { MessagingConfiguration } from '../config.ts'
import { type OptionalConfigContext, optionalConfig } from '../guards/optional-config.ts'

/** What a start needs, found good. */
export interface ReadyMessaging {
  readonly demand: CredsDemand
  /** Where commands are kept: beside the storage of the node. */
  readonly commandsPath: string
  /** PEM of our own files for the broker; undefined where the node's are used. */
  readonly ownTls: (() => { ca: string; cert: string; key: string }) | undefined
}

/** Judges all that can be judged before anything is dialled. Throws `StartFailure`; what is wrong stands in the decision log, too. */
export function readMessaging(configuration: MessagingConfiguration, decisions: DecisionLog): ReadyMessaging {
  const { messaging, storage, node } = configuration
  const refused = (guard: string, reason: string): void =>
    decisions.record(refusedStart({ guard, reason, target: node }))
  const demand = demandOf(configuration)
  try {
    judge({ server: new URL(messaging.server) })
    demandOptionalFiles(configuration)
    readCredsSet(demand)
    const ownTls = ownTlsOf(configuration)
    ownTls?.()
    return { demand, commandsPath: join(dirname(storage.path), 'commands.db'), ownTls }
  } catch (failure) {
    if (failure instanceof CredsRefused) refused(failure.guard, failure.reason)
    else if (failure instanceof BrokerRefused) {
      refused(failure.guard, failure.reason)
      const found = `messaging.server ${messaging.server} is not tls:, and nobody logs in in plaintext; use tls://`
      throw new StartFailure(failure.reason, found)
    } else if (failure instanceof StartFailure) refused('start.config', failure.reason)
    throw failure
  }
}

function demandOf({ messaging }: MessagingConfiguration): CredsDemand {
  return {
    folder: messaging.credsDir,
    uid: userId(undefined),
    fileMode: 0o600,
    manifestFile: CURRENT_FILE,
    users: handedTo('orchestrator'),
    now: Date.now,
  }
}

function demandOptionalFiles({ messaging }: MessagingConfiguration): void {
  for (const [name, path] of Object.entries(messaging.mongo)) {
    const context: OptionalConfigContext = { key: `messaging.mongo.${name}`, path, uid: userId(undefined) }
    const refusal = optionalConfig.check(context)
    if (refusal instanceof Promise) throw new Error(`${optionalConfig.id} must be synchronous`)
    if (refusal !== undefined) throw new CredsRefused(optionalConfig.id, refusal.reason, context.found ?? path)
  }
}

/** Read anew with each connection, and checked as a whole. */
function ownTlsOf({ messaging, tls, trustDomain }: MessagingConfiguration): ReadyMessaging['ownTls'] {
  const paths = { ca: messaging.ca ?? trustDomain.ca, cert: messaging.cert ?? tls.cert, key: messaging.key ?? tls.key }
  if (messaging.ca === undefined && messaging.cert === undefined && messaging.key === undefined) return undefined
  return () => {
    const { certificate, key } = readTlsMaterial({ ...paths, anchors: { broker: paths.ca } })
    return { ca: readFileSync(paths.ca, 'utf8'), cert: certificate, key }
  }
}
