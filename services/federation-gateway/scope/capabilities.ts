import type { CapabilitiesAnswer } from '../wire/answers.ts'
import { instantOf } from '../wire/instant.ts'
import { VERBS } from '../wire/requests.ts'
import type { Scope } from './document.ts'

/** What a grant lends, without a word of what its subject has. It is answered for every active grant, also where there are no rights. */
export function capabilitiesOf(scope: Scope, expiresAt: Date | null): CapabilitiesAnswer {
  return {
    resources: scope.resources.filter((name) => !scope.excluded_resources.includes(name)),
    excluded_resources: [...scope.excluded_resources],
    max_rows_per_query: scope.max_rows_per_query,
    supported_verbs: [...VERBS],
    grant_expires_at: expiresAt === null ? null : instantOf(expiresAt.toISOString())!,
  }
}

/** The tag of a grant at an epoch (RFC 9110 section 8.8.3). */
export function etagOf(epoch: number): string {
  return `"${epoch}"`
}

/** The epoch that a tag of a lender names; undefined for any other tag. */
export function epochOf(etag: string | undefined): number | undefined {
  const [, digits] = /^"(\d{1,15})"$/.exec(etag ?? '') ?? []
  return digits === undefined ? undefined : Number(digits)
}

/** Whether `If-None-Match` names this epoch (RFC 9110 section 13.1.2, weak comparison): then the answer is 304. */
export function isUnchanged(ifNoneMatch: string | undefined, epoch: number): boolean {
  const tags = ifNoneMatch?.split(',').map((tag) => tag.trim().replace(/^W\//, '')) ?? []
  return tags.includes('*') || tags.includes(etagOf(epoch))
}
