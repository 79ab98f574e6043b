import type { PlanBoundToken } from '../../credentials/bound-token/planned.ts'
import { defaultCertificate } from '../../credentials/certificate/planned.ts'
import type { UnitContext } from '../../topology/kind.ts'
import { credentialPath } from '../../topology/paths.ts'
import type { Step, UnitRef } from '../../topology/plan.ts'
import { holdersOf } from '../../topology/schema.ts'
import type { IssuerSettings } from './settings.ts'

type Unit = UnitContext<IssuerSettings>

/** Certificates of clients that are known by these themselves, and by no name in them. */
export function registeredCertificates({ settings, topology }: Unit): string[] {
  const names = Object.entries(settings.clients).flatMap(([name, { auth }]) => (isSelfSigned(auth) ? [name] : []))
  const held = Object.values(topology.credentials).flatMap((one) => {
    const [holder = ''] = holdersOf(one)
    return names.includes(holder) && 'boundTo' in one && one.boundTo !== undefined ? [one.boundTo] : []
  })
  return [...names.map(defaultCertificate), ...held]
}

/**
 * What the server must know of its clients, as RFC 7591 section 2 and RFC 8705 section 2 name it: written to `clients.json` of the unit.
 * `after`: the units that bring what is read for that.
 */
export function clientsFile(unit: Unit): { steps: Step[]; after: UnitRef[] } {
  const clients = clientsOf(unit)
  const known = clients.flatMap(({ certificate }) => certificate ?? [])
  return {
    after: known.map(({ holder, name }) => `${holder}/${name}`),
    steps: [
      ...known.map(({ holder, path, to }): Step => {
        const source = { file: `${path}/cert.pem` }
        return { receive: { from: holder, source, to: { path: `@{unit}/${to}`, mode: '0600' } } }
      }),
      { write: { path: '@{unit}/clients.json', json: clients.map(({ metadata }) => metadata) } },
    ],
  }
}

function clientsOf(unit: Unit) {
  const byHolder = Map.groupBy(unit.issued('bound-token'), ({ holders }) => holders[0]!)
  const asking = unit.insiders().filter(({ insider }) => insider.asks?.issuer === unit.node)
  const names = new Set([...byHolder.keys(), ...asking.map(({ node }) => node)])
  return [...names].map((name) => clientOf(unit, name, byHolder.get(name) ?? []))
}

function clientOf({ settings, topology }: Unit, name: string, tokens: readonly PlanBoundToken[]) {
  const { id = name, auth = 'tls_client_auth' } = settings.clients[name] ?? {}
  const certificate = tokens[0]?.boundTo ?? defaultCertificate(name)
  const declared = topology.credentials[certificate]
  const named = declared?.kind === 'certificate' ? declared.subject : undefined
  const path = credentialPath(new Map(), certificate, declared)
  const known = isSelfSigned(auth) && { holder: name, name: certificate, path, to: `client-${name}.pem` }
  const metadata = {
    client_id: id,
    token_endpoint_auth_method: auth,
    ...(known ? { jwks: `@{json:${known.to}}` } : { tls_client_auth_san_dns: named ?? topology.nodes[name]?.host }),
    tls_client_certificate_bound_access_tokens: true,
    grant_types: tokens.length > 0 ? ['client_credentials'] : [],
    ...{ response_types: [], redirect_uris: [] },
    scope: [...new Set(tokens.flatMap(({ scope }) => scope))].join(' ') || undefined,
  }
  return { metadata, certificate: known || undefined }
}

function isSelfSigned(auth: string): boolean {
  return auth === 'self_signed_tls_client_auth'
}
