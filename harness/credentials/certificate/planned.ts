import { z } from 'zod'
import type { GivenFile } from '../../pki/given.ts'
import type { Offer } from '../../topology/kind.ts'
import type { CredentialBase, Enrol, Template } from '../../topology/plan.ts'
import { credentialSchema, duration, hostText, sanPattern } from '../../topology/schema.ts'
import { NoOther } from '../live-kind.ts'

export const certificateSchema = credentialSchema('certificate', 'An X.509 certificate and its key.', {
  issuer: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}(\/[A-Za-z0-9._@-]+)?$/, 'must be NODE or NODE/PROVISIONER')
    .meta({ description: 'The node whose CA signs it, or `node/provisioner`.' }),
  subject: hostText.optional().meta({ description: 'The host that it names. Default: the host of its holder.' }),
  sans: z
    .array(z.string().regex(sanPattern, 'must be a DNS name in lower case'))
    .min(1)
    .optional()
    .meta({ description: 'DNS SANs. Default: the subject alone.' }),
  lifetime: duration.meta({ description: 'How long each certificate is valid: `10m`.' }),
})

export type CertificateDeclaration = z.output<typeof certificateSchema>

/** Its files are folders with `cert.pem` and `key.pem`. */
export interface PlanCertificate extends CredentialBase {
  kind: 'certificate'
  lifetimeSeconds: number
  /** The host that it names. */
  subject: string
  /** DNS SANs. */
  sans: string[]
  /** What it is for, where that is not both ends of TLS. */
  usages?: readonly Usage[]
  /** How to make one more like it. Absent: it is one that the user has, and nobody signs another. */
  enrol?: Enrol
}

/** @throws NoOther */
export function enrolmentOf({ issuer, enrol }: PlanCertificate): Enrol {
  if (enrol === undefined) throw new NoOther(issuer)
  return enrol
}

export type Usage = 'serverAuth' | 'clientAuth'

/** A key that signs one-time tokens for certificates, and what those may be; where it says nothing, the CA does. */
interface Provisioner extends Omit<Enrol['provisioner'], 'name'> {
  /** In seconds. */
  minimumLifetime?: number
  maximumLifetime?: number
  usages?: readonly Usage[] | undefined
}

/** A CA, as one must know it to have certificates signed. */
export interface Authority extends Offer {
  url: string
  /** The root certificate, on the CA's node. Absent: what it signs leads to the root of its trust domain. */
  root?: Template
  /** Keys that sign one-time tokens, by the name of their provisioner; the first is the one that is meant where none is named. */
  provisioners: Readonly<Record<string, Provisioner>>
  /** Certificates that the user has, by the name of the credential: their files are handed over. */
  given?: Readonly<Record<string, { readonly cert: GivenFile; readonly key: GivenFile }>> | undefined
  /** In seconds. */
  minimumLifetime: number
  maximumLifetime: number
}

declare module '../../topology/credential-types.ts' {
  interface CredentialTypes {
    certificate: { declared: CertificateDeclaration; planned: PlanCertificate; offered: Authority }
  }
}

/** The name of the certificate by which a node is known, where nothing else is said. */
export function defaultCertificate(node: string): string {
  return `cert-${node}`
}
