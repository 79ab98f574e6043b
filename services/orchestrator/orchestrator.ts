import type { TokenPolicy } from '../shared/bound-token.ts'
import type { DecisionLog } from '../shared/decision-log.ts'
import { failureFields, type Log } from '../shared/log.ts'
import { thumbprint } from '../shared/peer-certificate.ts'
import { createTlsListener, type TlsListener } from '../shared/tls-listener.ts'
import { noTokens } from '../shared/token-policy.ts'
import { CallRecorder } from './call-record.ts'
import { startRenewal } from './certificate-renewal.ts'
import { addressOf, type Configuration } from './config.ts'
import { createLocalHandler } from './local-listener.ts'
import { type Material, readMaterial } from './material.ts'
import { OwnCertificates, overdueAt } from './own-certificates.ts'
import { listenerOf, type OwnNode } from './own-node.ts'
import type { Peering } from './peering.ts'
import { keepBoth, removePrevious } from './previous-certificate.ts'
import type { Section } from './section.ts'
import { stateOperation } from './state.ts'
import type { Store } from './store.ts'

export interface Orchestrator {
  /** Opens the listeners and begins to dial. */
  start(): Promise<void>
  /** Reads certificates and anchors anew; on a mistake in them everything stays as it is. */
  reload(): void
  stop(): Promise<void>
}

const GRACE_MS = 2_000

/** Puts a node together. Nothing is opened before `start`. */
export function createOrchestrator(given: {
  configuration: Configuration
  material: Material
  store: Store
  decisions: DecisionLog
  log: Log
  /** The sections `peering` and `messaging`, where there are such. */
  peering?: (node: OwnNode) => Peering
  messaging?: (node: OwnNode) => Section
}): Orchestrator {
  const { configuration, store, decisions, log } = given
  let { material } = given
  const certificates = new OwnCertificates(material.peering, material.previous)
  const node = {
    configuration,
    certificates,
    material: () => material,
    store,
    decisions,
    recorder: new CallRecorder(decisions, configuration.node),
    log,
    localAddress: ownAddress(configuration),
  }
  const peering = given.peering?.(node)
  const sections = [peering, given.messaging?.(node)].filter((section) => section !== undefined)
  const local = createLocalListener(node, sections, peering?.policy ?? noTokens(configuration.node))
  const serve = (): void => local.reload(localMaterial(node))
  let renewal: { close(): void } | undefined

  return {
    async start() {
      await Promise.all([...sections.map((section) => section.listen()), local.listen()])
      renewal = renewCertificate(node, sections, serve)
      log.info('started', { peering: configuration.peering?.listen, local: configuration.listen.local })
      for (const section of sections) section.start()
    },
    reload() {
      try {
        material = readMaterial(configuration)
      } catch (failure) {
        return log.error('reload-failed', failureFields(failure))
      }
      certificates.reloaded(material.peering)
      serve()
      for (const section of sections) section.reloaded()
      log.info('reloaded', { 'x5t#S256': thumbprint(certificates.newest.leaf) })
    },
    async stop() {
      renewal?.close()
      await Promise.all([...sections.map((section) => section.stop()), local.close(GRACE_MS)])
      for (const section of sections) section.close()
      store.close()
      decisions.close()
    },
  }
}

/** Nothing, where it is any address: then the system chooses. */
function ownAddress({ peering }: Configuration): string | undefined {
  const { host } = addressOf(peering?.listen ?? '')
  return ['0.0.0.0', '::', '', 'localhost'].includes(host) ? undefined : host
}

function createLocalListener(node: OwnNode, sections: readonly Section[], policy: TokenPolicy): TlsListener {
  const { configuration, recorder, log } = node
  return createTlsListener({
    ...listenerOf(node),
    ...addressOf(configuration.listen.local),
    name: 'local',
    action: 'node:read',
    material: localMaterial(node),
    onRequest: createLocalHandler({
      configuration,
      policy,
      operations: [...sections.flatMap((section) => section.operations), stateOperation(node, sections)],
      recorder,
      log,
      notReady: () => notReady(node, sections),
    }),
  })
}

/** Here only our own trust domain is trusted. */
function localMaterial({ certificates, material }: OwnNode) {
  const { certificate, leaf, key } = certificates.newest
  return { ...material().local, certificate, leaf, key }
}

async function notReady({ configuration, certificates, store }: OwnNode, sections: readonly Section[]) {
  const { newest } = certificates
  const isRenewed = configuration.tls.renewUrl !== undefined
  if (newest.leaf.validToDate.getTime() <= Date.now()) return 'certificate_ended'
  if (isRenewed && overdueAt(newest) <= Date.now()) return 'certificate_ending'
  if (!store.isWritable()) return 'storage_unavailable'
  const reasons = await Promise.all(sections.map((section) => section.notReady()))
  return reasons.find((reason) => reason !== undefined)
}

/** @param serve the local listener takes the newest certificate */
function renewCertificate(
  node: OwnNode,
  sections: readonly Section[],
  serve: () => void,
): { close(): void } | undefined {
  const { certificates, log, localAddress } = node
  const { tls, trustDomain } = node.configuration
  if (tls.renewUrl === undefined) return undefined
  return startRenewal({
    url: tls.renewUrl,
    anchors: () => (certificates.newest.anchors.get(trustDomain.name) ?? []).map(String),
    newest: () => certificates.newest,
    localAddress,
    log,
    async onRenewed(renewed) {
      // Whoever gives us tokens finds the new one in the file, and a restart finds what older tokens are bound to.
      keepBoth(tls, renewed.certificate, certificates.newest.certificate, log)
      certificates.renewed(renewed)
      const notAfter = renewed.leaf.validToDate.toISOString()
      log.info('certificate-renewed', { 'x5t#S256': thumbprint(renewed.leaf), notAfter })
      await Promise.all(sections.map((section) => section.renewed()))
      serve()
    },
    onGlance() {
      const previous = certificates.previous()
      if (previous !== undefined && sections.some((section) => section.needs(thumbprint(previous.leaf)))) return
      if (certificates.dropPrevious()) removePrevious(tls, log)
    },
  })
}
