import { BearerClient } from './bearer-client.ts'
import type { ScopeDocument } from './scopes.ts'

const base = '/api/admin/federation'

/** A grant, as far as tests look at it. */
export interface AdministeredGrant {
  readonly id: string
  readonly peerId: string
  readonly subjectUserId: string
  readonly scope: ScopeDocument
  readonly status: 'pending' | 'active' | 'revoked' | 'expired'
  readonly epoch: number
  readonly certificateRevocation: 'none' | 'queued' | 'effective'
}

export interface Invitation {
  readonly token: string
  readonly enrollmentUrl: string
  readonly expiresAt: string
}

/** What a new grant may be made of, beside its parties. */
export interface GrantChoices {
  readonly scope: ScopeDocument
  readonly expiresAt?: string
  /** Requests in 60 s. Default: 6 000, as many as can be allowed. */
  readonly rateLimit?: number
  readonly allowSensitive?: boolean
}

export interface InvitationChoices {
  readonly ttlSeconds?: number
  readonly purpose?: 'enrolment' | 're-enrolment'
}

/** The administration of a gateway, as an operator or as the administrator of a tenant. Bodies of its own by `get`, `post` and so on. */
export class Admin extends BearerClient {
  /** For whom a certificate may be signed. */
  async registerPeer(commonName: string): Promise<{ id: string; commonName: string; state: string }> {
    return (await this.call<never>('POST', `${base}/peers`, { commonName })).value
  }

  async createGrant(parties: { peerId: string; userId: string }, choices: GrantChoices): Promise<AdministeredGrant> {
    return (await this.call<never>('POST', `${base}/grants`, { ...parties, ...choices })).value
  }

  async grant(id: string): Promise<AdministeredGrant> {
    return (await this.call<never>('GET', `${base}/grants/${id}`)).value
  }

  /** The token is told this once. */
  async invite(grantId: string, choices: InvitationChoices = {}): Promise<Invitation> {
    return (await this.call<never>('POST', `${base}/grants/${grantId}/tokens`, choices)).value
  }

  async changeScope(grantId: string, scope: ScopeDocument): Promise<AdministeredGrant> {
    return (await this.call<never>('PATCH', `${base}/grants/${grantId}/scope`, { scope })).value
  }

  async revoke(grantId: string, reason = 'a test asked for it'): Promise<AdministeredGrant> {
    return (await this.call<never>('PATCH', `${base}/grants/${grantId}/revoke`, { reason })).value
  }

  /** For a user, who asks with it. */
  async userToken(userId: string): Promise<string> {
    const { token } = (await this.call<{ token: string }>('POST', `/api/admin/users/${userId}/tokens`, {})).value
    return token
  }

  /** For whoever administers one tenant. Operators alone make these. */
  async tenantToken(tenantId: string, name: string): Promise<string> {
    const { token } = (await this.call<{ token: string }>('POST', '/api/admin/tokens', { tenantId, name })).value
    return token
  }
}
