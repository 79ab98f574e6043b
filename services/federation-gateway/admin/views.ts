import { readScope, type Scope } from '../scope/document.ts'
import { effectiveScope } from '../scope/words.ts'
import { listLeaves } from '../storage/certificates.ts'
import type { Session } from '../storage/database.ts'
import type { Grant } from '../storage/grants.ts'
import type { Peer, PeerCertificate } from '../storage/peers.ts'
import { nativeUser, teamNames } from '../storage/rights.ts'
import type { User } from '../storage/users.ts'
import {
  type GrantAnswer,
  type GrantSummary,
  type ListedCertificate,
  listCursor,
  type PeerAnswer,
  type UserAnswer,
} from '../wire/admin.ts'

// What the database says, as administrators are told it: member by member, so that nothing comes along that nobody has looked at.

export const timeOf = (date: Date | null): string | null => date?.toISOString() ?? null

/** One more than fit on a page were looked for. `at`: by which they are in order. */
export function pageOf<Item extends { id: string }>(found: Item[], limit: number, at: (item: Item) => string) {
  const items = found.slice(0, limit)
  const last = items.at(-1)
  const isMore = found.length > limit && last !== undefined
  return { items, nextCursor: isMore ? listCursor({ at: at(last), id: last.id }) : null }
}

function certificateOf({ x5t, serial, state, notAfter, grantId }: PeerCertificate): ListedCertificate {
  const listed = { 'x5t#S256': x5t, serial, state, notAfter: notAfter.toISOString() }
  return grantId === null ? listed : { ...listed, grantId }
}

export function peerView(peer: Peer): PeerAnswer {
  const { id, direction, commonName, state, stateReason, createdAt, ownerUserId, federationUrl } = peer
  const { remoteGrantId, remoteSubjectUserId, lastFailureReason } = peer
  return {
    ...{ id, direction, commonName, state, stateReason, createdAt, ownerUserId, federationUrl },
    ...{ remoteGrantId, remoteSubjectUserId, lastFailureReason },
    ...{ lastSuccessAt: timeOf(peer.lastSuccessAt), lastFailureAt: timeOf(peer.lastFailureAt) },
    certificates: peer.certificates.map(certificateOf),
  }
}

export function grantSummary(grant: Grant): GrantSummary {
  const { id, peerId, subjectUserId, scope, status, epoch, rateLimit, createdAt, endReason } = grant
  return {
    ...{ id, peerId, subjectUserId, status, epoch, rateLimit, createdAt, endReason },
    scope: scope as unknown as GrantSummary['scope'],
    ...{ expiresAt: timeOf(grant.expiresAt), activatedAt: timeOf(grant.activatedAt), endedAt: timeOf(grant.endedAt) },
    certificateRevocation: grant.certificateRevocation,
  }
}

export function userView({ id, name, displayName, isDisabled }: User): UserAnswer {
  return { id, name, displayName, isDisabled }
}

/** With what its scope comes to for its subject, as things are at this moment. */
export async function grantView(session: Session, tenantId: string, grant: Grant): Promise<GrantAnswer> {
  const { id, subjectUserId: userId, scope } = grant
  const subject = await nativeUser(session, { tenantId, userId })
  if (subject === undefined) throw new Error(`grant ${id} is for a user who is not there`)
  const teams = await teamNames(session, { tenantId, ids: subject.rights.teams.map((team) => team.id) })
  const leaves = await listLeaves(session, { tenantId, grantId: id })
  return {
    ...grantSummary(grant),
    effectiveScope: effectiveScope(scope, subject.rights, { subject: subject.name, teams }),
    warnings: warningsOf(scope),
    certificates: leaves.map(({ status: state, ...leaf }) => certificateOf({ ...leaf, state, grantId: id })),
  }
}

function warningsOf(scope: Scope): string[] {
  const reading = readScope(scope)
  return reading.scope === undefined ? [] : [...reading.warnings]
}
