import { durationSeconds } from '../../topology/duration.ts'
import type { Action } from '../../topology/kind.ts'
import type { PlanUnit, Step } from '../../topology/plan.ts'
import type { ActionVerification, PlannedCheck } from '../../topology/verification.ts'
import { tlsChecks } from '../checks.ts'
import { installedBy } from '../creds-intake/index.ts'
import type { Unit } from './index.ts'
import type { MessagingSettings } from './messaging-settings.ts'

// What the section `messaging` adds to an orchestrator.

const mongo = { clusterIdFile: '@{unit}/mongo/cluster-id', passwordFile: '@{unit}/mongo/password' }

/** Its section of the configuration. */
export function messagingOf(unit: Unit, { server, credentials, hosts, stream, ...settings }: MessagingSettings) {
  const { maxAge, maxBytes } = stream
  return {
    server: unit.url(server, 'nats', 'tls'),
    // The broker sees the node by its address.
    localAddress: '@{address}',
    credsDir: installedBy(credentials),
    connectDeadlineSeconds: durationSeconds(settings.connectDeadline),
    hosts,
    stream: { maxAgeSeconds: maxAge === undefined ? undefined : durationSeconds(maxAge), maxBytes },
    mongo: settings.mongo ? mongo : undefined,
  }
}

/** Files that are there before it starts. */
export function messagingSteps(settings: MessagingSettings | undefined): Step[] {
  return settings?.mongo ? Object.values(mongo).map((path) => ({ secret: { path, bytes: 16 } })) : []
}

export function messagingActions({ hosts }: MessagingSettings): Record<string, Action> {
  // One command, however often it is sent: the same id stands for the same command.
  const json = { id: 'probe', host: hosts[0], verb: 'probe', args: {} }
  return {
    'commands:write': ofOperators('commands a host', { method: 'POST', path: '/v1/commands', json, expect: [202] }),
    'inventory:read': ofOperators('reads what hosts tell', { method: 'GET', path: '/v1/inventory', expect: [200] }),
  }
}

function ofOperators(summary: string, http: object): Action {
  return { summary, listener: 'local', carrier: 'none', request: { http } }
}

export const messagingObservation: PlanUnit['observe'] = {
  listener: 'local',
  request: { http: { paths: ['/v1/state', '/v1/inventory'] } },
  // Hosts fetch and tell, and connections are replaced, in their own time.
  ignore: ['since', 'pending', 'unacknowledged', 'redelivered', 'update', 'status'],
  // Each command is one more message of the stream.
  grows: ['/v1/state'],
}

/** Operators alone may do that, who are known by their certificates. */
export function messagingVerification(unit: Unit, sans: readonly string[]): Record<string, ActionVerification> {
  const named: PlannedCheck = {
    ...{ check: 'certificate/named', args: { sans }, guard: 'local.caller', reason: 'not_operator' },
    ...{ layer: 'http', status: 403, error: 'forbidden' },
  }
  const operatorsOnly = (...last: string[]): ActionVerification => ({
    takes: [['certificate']],
    checks: [...tlsChecks('peer.tls', [unit.domain]), named],
    guards: ['tls.handshake', 'peer.tls', 'http.form', 'local.host', 'local.caller', 'local.route', ...last],
  })
  return {
    'commands:write': operatorsOnly(
      'local.query',
      'command-form',
      'command-host',
      'command-id',
      'command-broker',
      'local.storage',
    ),
    'inventory:read': operatorsOnly('local.query', 'local.storage'),
  }
}
