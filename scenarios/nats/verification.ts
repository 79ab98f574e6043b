export {
  folderOn as folderOf,
  type NatsManifest as Manifest,
  natsManifestOn as manifestIn,
  natsMonitoring as monitoring,
  natsPlaces as places,
} from 'holdfast/vitest'

/** What is handed over to the orchestrator. */
export const handedOver = ['admin_user.creds', 'orchestrator_auth.creds']
