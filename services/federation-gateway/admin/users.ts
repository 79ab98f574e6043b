import { makeToken } from '../enrolment/token.ts'
import { isUuid } from '../ids.ts'
import { apiTenant } from '../listeners/bearer.ts'
import type { Exchange } from '../listeners/exchange.ts'
import type { PublicRoute } from '../listeners/public-listener.ts'
import {
  findAdminToken,
  storeAdminToken,
  storeUserToken,
  withdrawToken,
  withdrawUserToken,
} from '../storage/bearer-tokens.ts'
import { changeRights, createUser, deleteUser, getUser, listUsers } from '../storage/users.ts'
import type { UserAnswer } from '../wire/admin.ts'
import { type AdminCall, adminRoute, tenantFor } from './call.ts'
import type { AdminDeps } from './deps.ts'
import { admUserUnique } from './guards.ts'
import { timeOf, userView } from './views.ts'

export function userRoutes(deps: AdminDeps): PublicRoute[] {
  const { database, bearer } = deps
  return [
    adminRoute(bearer, 'user:create', async (call) => {
      const tenantId = await tenantFor(call, bearer)
      const { name, displayName = name, email } = call.body
      const made = await createUser(database, { tenantId, name, displayName, ...(email !== undefined && { email }) })
      await call.exchange.pass([admUserUnique], { isTaken: made === undefined })
      return userView(made!)
    }),
    adminRoute(bearer, 'user:list', async (call) => {
      const users = await listUsers(database, { tenantId: await tenantFor(call, bearer) })
      return { items: users.map(userView) }
    }),
    adminRoute(bearer, 'user:change', (call) => change(deps, call)),
    adminRoute(bearer, 'user:delete', (call) => remove(deps, call)),
    adminRoute(bearer, 'user:token', async (call) => {
      const { tenantId, id: userId } = await userOf(deps, call)
      const made = makeToken()
      const expiresAt = endOf(call.body.lifetimeSeconds, bearer.now())
      const id = await storeUserToken(database, { tenantId, userId, sha256: made.sha256, expiresAt })
      return { id: await there(call.exchange, id), token: made.token, expiresAt: timeOf(expiresAt) }
    }),
    adminRoute(bearer, 'user:withdraw', async (call) => {
      const { tenantId, id: userId } = await userOf(deps, call)
      const { token: id = '' } = call.parameters
      const isWithdrawn = isUuid(id) && (await withdrawUserToken(database, { tenantId, userId, id }))
      return { id: await there(call.exchange, isWithdrawn ? id : undefined), withdrawn: true }
    }),
  ]
}

/** Only for operators: whoever may make tokens for administrators may do everything. */
export function adminTokenRoutes({ database, bearer }: AdminDeps): PublicRoute[] {
  const operators = { isOperatorOnly: true }
  return [
    adminRoute(
      bearer,
      'admin:token',
      async (call) => {
        const { name, tenantId, lifetimeSeconds } = call.body
        if (tenantId !== undefined) {
          await tenantFor({ ...call, query: {} }, bearer, [{ what: 'tenant', id: tenantId }])
        }
        const { token, sha256 } = makeToken()
        const expiresAt = endOf(lifetimeSeconds, bearer.now())
        const of = tenantId === undefined ? {} : { tenantId }
        return {
          id: await storeAdminToken(database, { ...of, name, sha256, expiresAt }),
          token,
          expiresAt: timeOf(expiresAt),
        }
      },
      operators,
    ),
    adminRoute(
      bearer,
      'admin:withdraw',
      async (call) => {
        const { id = '' } = call.parameters
        const found = isUuid(id) ? await findAdminToken(database, id) : undefined
        await there(call.exchange, found && id)
        await withdrawToken(database, { ...(found?.tenantId != null && { tenantId: found.tenantId }), id })
        return { id, withdrawn: true }
      },
      operators,
    ),
  ]
}

/** @throws Refused */
async function userOf(
  { bearer }: AdminDeps,
  call: AdminCall<'user:change' | 'user:delete' | 'user:token' | 'user:withdraw'>,
): Promise<{ tenantId: string; id: string }> {
  const { id = '' } = call.parameters
  return { tenantId: await tenantFor(call, bearer, [{ what: 'user', id }]), id }
}

/** What the database has not found is not there, whatever was seen before. @throws Refused */
async function there(exchange: Exchange, id: string | undefined): Promise<string> {
  if (id === undefined)
    await exchange.pass([apiTenant], { things: [{ what: 'user token', id: '' }], whose: async () => 'absent' })
  return id!
}

async function change(deps: AdminDeps, call: AdminCall<'user:change'>): Promise<UserAnswer> {
  const { database } = deps
  const place = await userOf(deps, call)
  const { isDisabled, sharePersonal, deniedResources } = call.body
  await changeRights(database, place, {
    ...(isDisabled !== undefined && { isDisabled }),
    ...(sharePersonal !== undefined && { sharePersonal }),
    ...(deniedResources !== undefined && { deniedResources }),
  })
  const changed = await getUser(database, place)
  await there(call.exchange, changed?.id)
  return userView(changed!)
}

/** With its grants, its tokens, and the peers that were called for it. */
async function remove(deps: AdminDeps, call: AdminCall<'user:delete'>) {
  const place = await userOf(deps, call)
  const deleted = await deleteUser(deps.database, place)
  await there(call.exchange, deleted && place.id)
  deps.federation?.wakeRevocations()
  for (const peerId of deleted!.peers) deps.federation?.outbound.removed(peerId)
  return { id: place.id, removedPeers: [...deleted!.peers] }
}

function endOf(lifetimeSeconds: number | undefined, now: number): Date | null {
  return lifetimeSeconds === undefined ? null : new Date(now + lifetimeSeconds * 1000)
}
