import type { PublicRoute } from '../listeners/public-listener.ts'
import type { AdminDeps } from './deps.ts'
import { grantRoutes } from './grants.ts'
import { peerRoutes } from './peers.ts'
import { stateRoutes } from './state.ts'
import { adminTokenRoutes, userRoutes } from './users.ts'

/** Everything below `/api/admin`. Without federation there are users and tokens alone. */
export function adminRoutes(deps: AdminDeps): PublicRoute[] {
  const { database, federation } = deps
  const common = { ...deps, bearer: { ...deps.bearer, session: database } }
  const everywhere = [...userRoutes(common), ...adminTokenRoutes(common)]
  if (federation === undefined) return everywhere
  const more = { ...common, ...federation, publicName: federation.enrolment.publicName }
  return [...peerRoutes(more), ...grantRoutes(more), ...stateRoutes(more), ...everywhere]
}
