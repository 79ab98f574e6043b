import type { Plan } from '../../topology/plan.ts'
import type { ActionVerification, PlannedCheck } from '../../topology/verification.ts'
import type { Check, Checked, Fact, State } from '../checks.ts'
import { credentialsOf } from '../of-kind.ts'
import type { PlanCertificate } from './planned.ts'

/** Those that are spoiled have the names of a certificate of the plan. */
const states = {
  fresh: { text: (name) => `over ${name}` },
  'of an unknown CA': { text: (name) => `over a certificate like ${name} of an unknown CA` },
  expired: { text: (name) => `over a certificate like ${name} that has expired` },
} satisfies Record<string, State>

export type SpoiledCertificate = Exclude<keyof typeof states, 'fresh'>

const checks: Readonly<Record<string, Check>> = {
  presented: {
    because: 'without a certificate the connection ends before any request',
    unmade: { means: 'no certificate is demanded of callers', clause: 'RFC 8705 section 2' },
    passes: ({ certificate }) => certificate !== undefined,
  },
  trusted: {
    because: 'the CA of the certificate is not trusted there',
    unmade: { means: 'nobody verifies that the certificate leads to the trusted root', clause: 'RFC 5280 section 6.1' },
    passes: ({ certificate }, { anchors }: { anchors: readonly string[] }) =>
      certificate === undefined || (certificate.state !== 'of an unknown CA' && anchors.includes(certificate.domain)),
  },
  'not-expired': {
    because: 'the certificate has expired',
    unmade: {
      means: 'nobody compares the validity of the certificate with the clock',
      clause: 'RFC 5280 section 6.1.3',
    },
    passes: ({ certificate }) => certificate?.state !== 'expired',
  },
  named: {
    because: 'the certificate has none of the names that may do that',
    settled: 'operator',
    passes: ({ certificate }, { sans }: { sans: readonly string[] }) =>
      namesOf(certificate).some((name) => sans.includes(name)),
  },
}

export const certificateChecks: Checked = {
  spoiledBeside: 'companions',
  states,
  absent: 'without a certificate',
  checks,
}

/** DNS SANs of a certificate; none where none is presented. */
export function namesOf(certificate: Fact | undefined): readonly string[] {
  return certificate?.planned.kind === 'certificate' ? certificate.planned.sans : []
}

/** DNS SANs of certificates that are enough by themselves for an action. */
export function operatorsIn({ checks }: Partial<ActionVerification> = {}): readonly string[] {
  return (checks ?? []).flatMap(({ check, settles, args }) =>
    settles && check === 'certificate/named' ? (args as { sans: readonly string[] }).sans : [],
  )
}

type Judging = Exclude<PlannedCheck, { settles: true }>

/** The check of names on which an action rests, as nothing else is enough there. */
export function namesAloneIn({ checks }: Partial<ActionVerification> = {}) {
  return checks?.find((one) => one.check === 'certificate/named' && !one.settles) as Judging | undefined
}

/** The first certificate of a plan that names one of these hosts. */
export function certificateNaming(plan: Plan, sans: readonly string[]): PlanCertificate | undefined {
  return credentialsOf(plan, 'certificate').find((one) => one.sans.some((san) => sans.includes(san)))
}
