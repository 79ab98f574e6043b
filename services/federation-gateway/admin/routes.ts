import type { PublicRoute } from '../listeners/public-listener.ts'
import type { AdminDeps } from './deps.ts'
import { grantRoutes } from './grants.ts'
import { peerRoutes } from './peers.ts'
import { stateRoutes } from './state.ts'
import { adminTokenRoutes, userRoutes } from './users.ts'

/** Everything below `/api/admin`. Without federation there are users and tokens alone. */
export function adminRoutes(deps: AdminDeps): PublicRoute[] {
  const { database, bearer, federation } = deps
  const everywhere = [...userRoutes(deps), ...adminTokenRoutes(deps)]
  if (federation === undefined) return everywhere
  const more = { ...federation, database, bearer, publicName: federation.enrolment.publicName }
  return [...peerRoutes(more), ...grantRoutes(more), ...stateRoutes(more), ...everywhere]
}
