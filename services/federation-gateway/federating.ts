import { readFile } from 'node:fs/promises'
import type { TlsMaterial } from '../shared/tls-listener.ts'
import { addressOf } from './addresses.ts'
import { CrlKeeper, type CrlsInUse } from './certificates/crl-keeper.ts'
import { nodeName } from './config.ts'
import type { Core } from './core.ts'
import { type CaClient, createCaClient } from './enrolment/ca-client.ts'
import { admissionStore } from './lending/admission-store.ts'
import { watchLists } from './lifecycle/list-alarm.ts'
import type { Repeated } from './lifecycle/repeat.ts'
import { type Revocations, startRevocations } from './lifecycle/revocations.ts'
import { createFederationListener, type FederationListener, type Verbs } from './listeners/federation-listener.ts'
import { issuingCas, type PinnedCa } from './start/guards.ts'
import type { Prepared } from './start/prepare.ts'

export interface FederatingOptions {
  readonly prepared: Prepared & { readonly federation: NonNullable<Prepared['federation']> }
  readonly core: Core
  readonly ca: CaClient
  readonly verbs: Verbs
  /** After the start: the address of peers cannot be taken, which is tried only once there are lists. */
  onClosed(failure: Error): void
}

/** What lending to peers takes: their listener, and who of them is revoked. */
export interface Federating {
  readonly listener: FederationListener
  readonly keeper: CrlKeeper
  /** Somebody has revoked something: the CA is told now, and not within a second. */
  wakeRevocations(): void
  /** Resolves once the CA was asked for its list, whatever came of it; rejects where peers cannot be listened for. */
  start(): Promise<void>
  reload(material: TlsMaterial): void
  stop(graceMs: number): Promise<void>
}

export function createCa({ configuration, federation }: FederatingOptions['prepared']): CaClient {
  const { ca, provisionerKey: key } = federation
  const { provisionerName: provisioner } = configuration.stepCa
  const signer = { caUrl: ca.url, provisioner, key, rootFingerprint: ca.fingerprint }
  return createCaClient({ signer, rootPem: String(ca.root) })
}

export function createFederating(options: FederatingOptions): Federating {
  const { prepared, core, verbs, ca: client } = options
  const { configuration, federation } = prepared
  const { publicName, stepCa, oids, renewal, rateLimit, crl } = configuration
  let { material } = prepared
  const listener = createFederationListener({
    ...addressOf(configuration.listeners.federation),
    ...{ names: [publicName], node: nodeName(configuration), material },
    policy: {
      provisioner: {
        name: stepCa.provisionerName,
        kids: new Set([federation.provisionerKey.kid, ...stepCa.provisionerKids]),
      },
      oids,
    },
    ...{ overlapSeconds: renewal.overlapSeconds, records: core.records, log: core.log, auditor: core.audit },
    ...{ store: admissionStore(core.database), verbs, tracing: core.tracing },
    limits: { perLeaf: rateLimit.perLeaf, handshakeRecordsPerMinute: rateLimit.handshakeRecords },
  })
  const distributionPoint = crl.url ?? `${federation.ca.url}/1.0/crl`
  const keeper = new CrlKeeper({
    source: {
      list: () => client.list(distributionPoint),
      rootList: () => readFile(crl.rootCrlFile!),
      issuers: async () => issuersNow(federation.ca, material),
    },
    ...{ root: federation.ca.root, distributionPoint, refreshMs: crl.refreshSeconds * 1_000, log: core.log },
    onLoaded: (crls) => use(crls),
  })
  let opening: Promise<void> = Promise.resolve()
  let revocations: Revocations | undefined
  let alarm: Repeated | undefined
  const use = (crls: CrlsInUse): void => {
    opening = listener.useLists(crls).then(() => revocations?.inForce(crls))
    opening.catch((failure: Error) => revocations && options.onClosed(failure))
  }
  return {
    ...{ listener, keeper },
    wakeRevocations: () => revocations?.wake(),
    async start() {
      await keeper.start()
      await opening
      alarm = watchLists(keeper, core.log)
      revocations = startRevocations({ session: core.database, ca: client, keeper, log: core.log })
      if (keeper.current !== undefined) revocations.inForce(keeper.current)
    },
    reload(next) {
      material = next
      listener.reload(next)
    },
    async stop(graceMs) {
      keeper.stop()
      await Promise.all([listener.close(graceMs), revocations?.stop(), alarm?.stop()])
      client.close()
    },
  }
}

function issuersNow(ca: PinnedCa, material: TlsMaterial) {
  return issuingCas({ ca, material }, Date.now())
}
