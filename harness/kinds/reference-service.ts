import { defaultCertificate } from '../credentials/certificate/planned.ts'
import type { Insider } from '../topology/insider.ts'
import type { UnitContext } from '../topology/kind.ts'
import type { Listener, Service, TlsFiles } from '../topology/plan.ts'

// What the reference nodes under `services/` have in common.

type Unit = UnitContext<{ readonly certificate?: string | undefined }>

/** The certificate credential that a unit is known by. */
export function certificateOf({ settings, node }: Unit): string {
  return settings.certificate ?? defaultCertificate(node)
}

export function tlsFiles(unit: Unit): Required<TlsFiles> {
  const folder = unit.credential(certificateOf(unit)).path
  return { ca: unit.anchor(unit.domain), cert: `${folder}/cert.pem`, key: `${folder}/key.pem` }
}

/** It says at `port` whether it is ready. */
export function referenceService(unit: Unit, service: string, port: number, listeners: Listener[]): Service {
  return {
    command: { program: { service }, args: ['--config', '@{unit}/config.json'] },
    ready: { http: { url: `https://${unit.host}:${port}/readyz`, tls: tlsFiles(unit), expect: [200] } },
    decisionLog: '@{unit}/decisions.jsonl',
    listeners,
  }
}

/** `listens`: members of its configuration that say where it listens. */
export function startOf(...listens: string[]): Insider['start'] {
  const writes = ['storage.path', 'decisionLog']
  return { configuration: '@{unit}/config.json', listens, writes, check: '--check-config' }
}
