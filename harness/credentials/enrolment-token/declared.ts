import type { Compilation } from '../../topology/compilation.ts'
import type { Declared } from '../../topology/credential-kind.ts'
import type { CredentialKind } from '../credential-kind.ts'
import { lentBy } from '../federation-grant/declared.ts'
import { invitationChecks } from './checks.ts'
import { type EnrolmentTokenDeclaration, enrolmentTokenSchema, type PlanEnrolmentToken } from './planned.ts'

/** Invitations of a gateway. */
export const enrolmentToken: CredentialKind<EnrolmentTokenDeclaration, PlanEnrolmentToken> = {
  name: 'enrolment-token',
  schema: enrolmentTokenSchema,
  part: 'invitation',
  issuing: { does: 'invites peers' },
  handover: { method: 'mint', why: 'it is made for one peer, and good for once' },
  resolve: resolveToken,
  // Whoever redeems it has it no more: what lay on a node would be worth nothing.
  units: () => [],
  unacceptable: (_, { target }, __, { issuer }) =>
    issuer === target ? [] : [[`"${issuer}" makes it, and "${target}" knows its own alone`, 'name one that it makes']],
  ...invitationChecks,
  arrow: { style: 'thin', legend: 'invitation, from lender to peer' },
  places: () => ({}),
  findings: async () => [],
  live: async () => (await import('./live.ts')).liveEnrolmentToken,
}

function resolveToken(
  compilation: Compilation,
  declared: Declared<EnrolmentTokenDeclaration>,
): PlanEnrolmentToken | undefined {
  const lent = lentBy(compilation, 'enrolment-token', declared)
  if (lent === undefined) return undefined
  const { name, declaration, holder, files } = declared
  const { issuer } = declaration
  return { name, kind: 'enrolment-token', issuer, holders: [holder], handover: 'mint', files, ...lent.order }
}
