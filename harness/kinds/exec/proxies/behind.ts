import type { CertificateHeader } from '../../../pki/certificate-header.ts'
import type { UnitContext } from '../../../topology/kind.ts'
import type { Listener, PlanUnit, Probe, Template } from '../../../topology/plan.ts'
import type { Refusal, Way } from '../../../topology/verification.ts'
import { systemCommand } from '../../system-program.ts'
import type { ExecSettings } from '../settings.ts'
import { haproxy } from './haproxy.ts'
import { nginx } from './nginx.ts'
import type { FrontProxy } from './proxy.ts'

type Unit = UnitContext<ExecSettings>

const proxies: Readonly<Record<NonNullable<ExecSettings['behind']>['kind'], FrontProxy>> = { haproxy, nginx }

/** The header in which the program finds the certificate of a caller, where somebody else ends TLS. */
export function certificateHeaderOf({ behind, certificateHeader }: ExecSettings): CertificateHeader | undefined {
  return certificateHeader ?? (behind && { name: 'Client-Cert', encoding: 'rfc9440' })
}

/** The port of the program itself, which others can reach beside that of its proxy. */
export function ownListener({ behind, ...settings }: ExecSettings): Listener[] {
  if (behind === undefined) return []
  const own = { name: 'program', port: behind.listen, protocol: 'http', clientCertificate: 'none' } as const
  const certificateHeader = certificateHeaderOf({ behind, ...settings })
  return [behind.reach === 'host' ? own : { ...own, certificateHeader, behind: 'main' }]
}

/** Past the proxy nobody is heard, whatever he presents: the certificate in the header is one that he wrote himself (RFC 9440 section 4). */
export function pastTheProxy({ behind }: ExecSettings, orStatuses: readonly number[]): Record<string, Way> | undefined {
  if (behind === undefined || behind.reach === 'host') return undefined
  const shut: Refusal = {
    ...{ guard: 'listener.proxy', reason: 'not_through_proxy', layer: 'tls' },
    ...{ status: null, error: null, orStatuses },
  }
  const fault =
    `the program: whoever reaches its port ${behind.listen} is believed; let it hear its proxy alone, ` +
    'by its address, over a socket, or by mutual TLS (RFC 9440 section 4)'
  return { 'past the proxy': { call: { listener: 'program' }, shut, fault } }
}

/** The proxy as a unit of its own, which lets callers in once the program listens. */
export function proxyUnit(unit: Unit, told: { cert: Template; key: Template; ca: Template }, ready: Probe): PlanUnit[] {
  const { behind, listen, clientCertificate } = unit.settings
  const header = certificateHeaderOf(unit.settings)
  if (behind === undefined || header === undefined) return []
  const { kind, config } = behind
  const place = {
    ...{ address: '@{address}', port: String(listen), host: unit.host, program_port: String(behind.listen) },
    ...{ cert: '@{unit}/server.pem', key: '@{unit}/server.pem.key', ca: told.ca, dir: '@{unit}' },
  }
  const path = `@{unit}/${kind}.conf`
  const file =
    config === undefined
      ? { path, text: proxies[kind].configuration(place, header, clientCertificate) }
      : { path, from: { path: unit.resolve(config), values: place } }
  const copy = (from: Template, to: Template) => ({ copy: { from, to: { path: to, mode: '0600' } } })
  return [
    {
      ...{ name: `${unit.unit}-proxy`, kind, summary: `${kind}, which hands certificates on in ${header.name}` },
      after: [`${unit.node}/${unit.unit}`],
      files: [file],
      // haproxy looks for a key in the file of the certificate, and beside it.
      steps: [copy(told.cert, place.cert), copy(told.key, place.key)],
      service: {
        command: systemCommand(kind, proxies[kind].command, path),
        ready,
        listeners: [],
      },
    },
  ]
}
