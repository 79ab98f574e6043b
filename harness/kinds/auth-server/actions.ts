import type { Action, UnitContext } from '../../topology/kind.ts'
import { registrationsOf } from './registrations.ts'

type Unit = Parameters<typeof registrationsOf>[0] & UnitContext<object>

/** Calls of the mtls listener, which take whoever has the certificate of the client that he names, by one guard. */
const clients = { listener: 'mtls', carrier: 'none', alike: 'token.client' } as const

/** What can be done at an auth server. What a call of the mtls listener says names the client, so that the caller gives it. */
export const actions = {
  'operator:list': read('lists tokens', '/tokens?limit=1000'),
  'operator:clients': read('lists clients', '/clients'),
  'operator:keys': read('lists signing keys', '/keys'),
  'operator:holders': read('lists proven certificates', '/holders'),
  // Ends no token: no certificate has this thumbprint.
  'operator:revoke': write('revokes tokens', '/tokens/revoke', { x5t: 'A'.repeat(43) }),
  'operator:mint': {
    summary: 'mints a token for a proven holder',
    listener: 'operator',
    carrier: 'bearer',
    request: { http: { method: 'POST', path: '/operator/v1/tokens', expect: [201] } },
  },
  'token:request': {
    summary: 'asks for a token by client credentials',
    ...clients,
    request: { http: { method: 'POST', path: '/token', expect: [200] } },
  },
  'token:introspect': {
    summary: 'asks about a token',
    ...clients,
    request: { http: { method: 'POST', path: '/token/introspection', expect: [200] } },
  },
  'token:revoke': {
    summary: "ends a client's own token",
    ...clients,
    request: { http: { method: 'POST', path: '/token/revocation', expect: [200] } },
  },
  'holder:prove': {
    summary: 'proves a certificate',
    ...clients,
    request: { http: { method: 'PUT', path: '/holders/self', expect: [200] } },
  },
  'jwks:read': {
    summary: 'reads the key set',
    listener: 'public',
    carrier: 'none',
    request: { http: { method: 'GET', path: '/jwks', expect: [200] } },
  },
  'operator:rotate': write('rotates the signing key, with grace', '/keys/rotate', { mode: 'grace' }),
} satisfies Readonly<Record<string, Action>>

/** The same at one server: the calls of a client with what its first client of the own trust domain says, whose certificate is accepted. */
export function actionsAt(unit: Unit): Readonly<Record<string, Action>> {
  const known = new Map(registrationsOf(unit).map((one) => [one.client_id, one]))
  const token = unit.issued('bound-token').find(({ subject }) => known.get(subject)?.trustDomain === unit.domain)
  const accepted = token?.boundTo
  if (accepted === undefined || unit.topology.credentials[accepted]?.kind !== 'certificate') return actions
  const client_id = token!.subject
  const { resource } = token!
  // Nobody minted that one, so asking about it and ending it change nothing.
  const stray = { client_id, token: 'none' }
  return {
    ...actions,
    'token:request': saying(
      'token:request',
      { form: { grant_type: 'client_credentials', client_id, resource } },
      accepted,
    ),
    'token:introspect': saying('token:introspect', { form: stray }, accepted),
    'token:revoke': saying('token:revoke', { form: stray }, accepted),
    'holder:prove': saying('holder:prove', { json: { client_id } }, accepted),
    'jwks:read': { ...actions['jwks:read'], accepted },
  }
}

function saying(
  name: 'token:request' | 'token:introspect' | 'token:revoke' | 'holder:prove',
  content: { form: Record<string, string> } | { json: unknown },
  accepted: string,
): Action {
  const { request, ...action } = actions[name]
  return { ...action, accepted, request: { http: { ...request.http, ...content } } }
}

function read(summary: string, path: string): Action {
  const http = { method: 'GET', path: `/operator/v1${path}`, expect: [200] }
  return { summary, listener: 'operator', carrier: 'bearer', request: { http } }
}

function write(summary: string, path: string, json: unknown): Action {
  const http = { method: 'POST', path: `/operator/v1${path}`, json, expect: [200] }
  return { summary, listener: 'operator', carrier: 'bearer', request: { http } }
}
