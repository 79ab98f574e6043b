import type { AdmissionStore } from '../listeners/federation-listener.ts'
import { findAdmission } from '../storage/admission.ts'
import { acceptLeaf } from '../storage/certificates.ts'
import type { Database } from '../storage/database.ts'

/** What the listener of peers asks of the database. */
export function admissionStore(database: Database): AdmissionStore {
  return {
    admission: (presented, patience) => findAdmission(database.patiently(patience), presented),
    async accepted({ serial }, { tenantId, id }, patience) {
      return (await acceptLeaf(database.patiently(patience), { tenantId, grantId: id, serial })) === 'active'
    },
  }
}
