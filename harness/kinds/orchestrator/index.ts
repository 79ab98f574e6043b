import { defineKind, type KindPlan, type UnitContext } from '../../topology/kind.ts'
import type { Listener, UnitRef } from '../../topology/plan.ts'
import { ownAudiences } from '../checks.ts'
import { credsIntake } from '../creds-intake/index.ts'
import { certificateOf, referenceService, startOf, tlsFiles } from '../reference-service.ts'
import {
  messagingActions,
  messagingObservation,
  messagingOf,
  messagingSteps,
  messagingVerification,
} from './messaging.ts'
import type { MessagingSettings } from './messaging-settings.ts'
import { ownState, peeringActions, peeringListener, peeringOf, peeringSummary, peeringSurfaces } from './peering.ts'
import { type Settings, settings } from './settings.ts'
import { doesPeering, operatorsOf, verificationOf } from './verification.ts'

export type Unit = UnitContext<Settings>

/** The reference orchestrator under `services/orchestrator`. */
export const orchestrator = defineKind({
  name: 'orchestrator',
  summary:
    'orchestrator: exchanges routes with peers by certificate-bound tokens (RFC 8705), commands hosts over a broker',
  settings,
  plan,
  actions: peeringActions,
  observe: {
    listener: 'local',
    request: { http: { paths: ['/v1/routes?limit=1000', '/v1/peers?limit=1000'] } },
    // A minted token is renewed in its own time.
    ignore: ['peerTokenExpiresAt'],
  },
})

function plan(unit: Unit): KindPlan {
  const { ports, messaging } = unit.settings
  const isPeering = doesPeering(unit)
  // A plan is plain JSON: settings that were left out are left out there, too.
  const json: unknown = JSON.parse(JSON.stringify(configuration(unit)))
  const local: Listener = { name: 'local', port: ports.local, protocol: 'https', clientCertificate: 'required' }
  const works = [isPeering && peeringSummary(unit), messaging && `commands hosts over ${messaging.server}`]
  return {
    summary: `orchestrator ${unit.node}, ${works.filter(Boolean).join('; ')}`,
    files: [{ path: '@{unit}/config.json', json }],
    ...(messaging && { after: [intakeOf(unit, messaging)], steps: messagingSteps(messaging) }),
    service: referenceService(unit, 'orchestrator', ports.local, [
      ...(isPeering ? [peeringListener(unit)] : []),
      local,
    ]),
    verification: { ...verificationOf(unit), ...(messaging && messagingVerification(unit, operatorsOf(unit))) },
    ...(messaging && { actions: { ...(isPeering ? peeringActions : ownState), ...messagingActions(messaging) } }),
    ...(!isPeering && { observe: messagingObservation }),
    surfaces: [...(isPeering ? peeringSurfaces(unit) : []), 'start'],
    insider: {
      operator: { listener: 'local', sans: operatorsOf(unit) },
      ...(isPeering && { asks: { issuer: unit.settings.auth, audiences: ownAudiences(unit) } }),
      start: startOf('listen.local', ...(isPeering ? ['peering.listen'] : [])),
    },
  }
}

/** The unit whose credentials it logs in with. */
function intakeOf({ node, topology, mistake }: Unit, { credentials }: MessagingSettings): UnitRef {
  if (topology.nodes[node]?.units[credentials]?.kind !== credsIntake.name) {
    mistake('settings.messaging.credentials', `"${credentials}" is no creds-intake of "${node}"; declare one`)
  }
  return `${node}/${credentials}`
}

function configuration(unit: Unit) {
  const tls = tlsFiles(unit)
  const { ports, messaging } = unit.settings
  return {
    node: unit.node,
    host: unit.host,
    listen: { local: `@{address}:${ports.local}` },
    tls: { cert: tls.cert, key: tls.key, renewUrl: renewUrlOf(unit) },
    trustDomain: { name: unit.domain, ca: tls.ca },
    operators: operatorsOf(unit),
    storage: { path: '@{unit}/state/orchestrator.db' },
    // Each refused call of a test is looked for in the log.
    limits: { handshakeRecords: 100_000 },
    decisionLog: '@{unit}/decisions.jsonl',
    peering: doesPeering(unit) ? peeringOf(unit) : undefined,
    messaging: messaging && messagingOf(unit, messaging),
  }
}

function renewUrlOf(unit: Unit): string | undefined {
  const issuer = unit.topology.credentials[certificateOf(unit)]?.issuer.split('/')[0]
  return unit.settings.renewal === 'off' || issuer === undefined ? undefined : `${unit.url(issuer, 'ca')}/1.0/renew`
}
