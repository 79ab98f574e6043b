import { federationUrlOf } from './addresses.ts'
import type { Issuer } from './enrolment/issuing.ts'
import { enrolmentRoutes } from './enrolment/redeem.ts'
import { renewing } from './enrolment/renew.ts'
import type { FederatingOptions } from './federating.ts'
import { admissionStore } from './lending/admission-store.ts'
import type { Verbs } from './listeners/federation-listener.ts'
import type { PublicRoute } from './listeners/public-listener.ts'

/** How peers come to certificates: by tokens on the public listener, and by a certificate of theirs on the other one. */
export interface Enrolling {
  readonly routes: readonly PublicRoute[]
  readonly renew: Verbs['renew']
}

export function createEnrolling({
  prepared,
  core,
  ca,
}: Pick<FederatingOptions, 'prepared' | 'core' | 'ca'>): Enrolling {
  const { configuration, federation } = prepared
  const { stepCa, oids, leaf, rateLimit, renewal } = configuration
  const { database, log } = core
  const issuer: Issuer = {
    ...{ ca, root: federation.ca.root, oids, leafSeconds: leaf.seconds },
    provisioner: { name: stepCa.provisionerName, kid: federation.provisionerKey.kid },
  }
  return {
    routes: enrolmentRoutes({
      ...{ database, issuer, log, federationUrl: federationUrlOf(configuration) },
      limits: { perAddress: rateLimit.enrolmentsPerAddress, all: rateLimit.enrolments },
    }),
    renew: renewing({
      ...{ database, issuer, log, store: admissionStore(database), overlapSeconds: renewal.overlapSeconds },
    }),
  }
}
