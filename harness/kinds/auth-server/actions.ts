import type { Action, UnitContext } from '../../topology/kind.ts'
import { registrationsOf } from './registrations.ts'

/** What can be done at an auth server. What a call of the mtls listener says names the client, so that the caller gives it. */
export const actions = {
  'operator:list': ofOperators('lists tokens', 'GET', '/tokens?limit=1000'),
  'operator:clients': ofOperators('lists clients', 'GET', '/clients'),
  'operator:keys': ofOperators('lists signing keys', 'GET', '/keys'),
  'operator:holders': ofOperators('lists proven certificates', 'GET', '/holders'),
  // Ends no token: no certificate has this thumbprint.
  'operator:revoke': ofOperators('revokes tokens', 'POST', '/tokens/revoke', { json: { x5t: 'A'.repeat(43) } }),
  'operator:mint': ofOperators('mints a token for a proven holder', 'POST', '/tokens', { expect: [201] }),
  'token:request': ofClients('asks for a token by client credentials', 'POST', '/token'),
  'token:introspect': ofClients('asks about a token', 'POST', '/token/introspection'),
  'token:revoke': ofClients("ends a client's own token", 'POST', '/token/revocation'),
  'holder:prove': ofClients('proves a certificate', 'PUT', '/holders/self'),
  'jwks:read': {
    summary: 'reads the key set',
    listener: 'public',
    carrier: 'none',
    request: { http: { method: 'GET', path: '/jwks', expect: [200] } },
  },
  'operator:rotate': ofOperators('rotates the signing key, with grace', 'POST', '/keys/rotate', {
    json: { mode: 'grace' },
  }),
} satisfies Readonly<Record<string, Action>>

/** The same at one server: the calls of a client with what its first client of the own trust domain says, whose certificate is accepted. */
export function actionsAt(unit: UnitContext<unknown>): Readonly<Record<string, Action>> {
  const known = new Map(registrationsOf(unit).map((one) => [one.client_id, one]))
  const token = unit.issued('bound-token').find(({ subject }) => known.get(subject)?.trustDomain === unit.domain)
  const accepted = token?.boundTo
  if (accepted === undefined || unit.topology.credentials[accepted]?.kind !== 'certificate') return actions
  const { subject: client_id, resource } = token!
  // Nobody minted that one, so asking about it and ending it change nothing.
  const stray = { client_id, token: 'none' }
  const said = {
    'token:request': { form: { grant_type: 'client_credentials', client_id, resource } },
    'token:introspect': { form: stray },
    'token:revoke': { form: stray },
    'holder:prove': { json: { client_id } },
  } satisfies { [Name in keyof typeof actions]?: object }
  const saying = Object.entries(said).map(([name, content]) => {
    const { request, ...action } = actions[name as keyof typeof said]
    return [name, { ...action, accepted, request: { http: { ...request.http, ...content } } }] as const
  })
  return { ...actions, ...Object.fromEntries(saying), 'jwks:read': { ...actions['jwks:read'], accepted } }
}

function ofOperators(
  summary: string,
  method: 'GET' | 'POST',
  path: string,
  { json, expect = [200] }: { json?: unknown; expect?: number[] } = {},
) {
  const http = { method, path: `/operator/v1${path}`, json, expect }
  return { summary, listener: 'operator', carrier: 'bearer', request: { http } } as const
}

/** They take whoever has the certificate of the client that he names, by one guard. */
function ofClients(summary: string, method: 'PUT' | 'POST', path: string) {
  const http = { method, path, expect: [200] }
  return { summary, listener: 'mtls', carrier: 'none', alike: 'token.client', request: { http } } as const
}
