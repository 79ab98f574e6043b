import { randomBytes, randomUUID } from 'node:crypto'
import { putFile } from 'holdfast/vitest'
import { type Federation, places, type Tenant } from './federation.ts'

// Tenants that a test brings in for itself, so that it can change their users and count their rows.

const mark = () => `mark${randomBytes(10).toString('hex')}`

/** When a row was made: the seconds, and the microseconds. */
export type Moment = readonly [second: number, micros: number]

export interface NewTenant extends Tenant {
  /** By what they are called here. */
  readonly named: { readonly ada: string; readonly bea: string }
}

/**
 * Ada is in one team as a member and in another one as its maintainer; bea is in the first one. Each resource has rows of both, and of both
 * teams. `moments`: Ada's own tasks, one for each, besides.
 */
export function newTenant({ moments = [] }: { moments?: readonly Moment[] } = {}): NewTenant {
  const tag = randomBytes(4).toString('hex')
  const user = (name: string) => ({ id: randomUUID(), name: `${name}-${tag}`, displayName: `${name} ${mark()}` })
  const [ada, bea] = [user('ada'), user('bea')]
  const member = ({ id }: { id: string }, role: 'member' | 'maintainer') => ({ user: id, role })
  const team = (word: string, ...members: ReturnType<typeof member>[]) => ({
    id: randomUUID(),
    name: `${word}-${tag} ${mark()}`,
    members,
  })
  const [first, second] = [
    team('T1', member(ada, 'member'), member(bea, 'member')),
    team('T2', member(ada, 'maintainer')),
  ]
  const owners = [
    { owner: ada.id },
    { owner: bea.id },
    { owner: bea.id, team: first.id },
    { owner: ada.id, team: second.id },
  ]
  const of = (more: () => object) => owners.map((owned) => ({ id: randomUUID(), ...owned, ...more() }))
  const writing = () => ({ title: `plan ${mark()}`, body: `about ${mark()}` })
  const timed = moments.map((moment) => task(ada.id, moment))
  return {
    ...{ id: randomUUID(), name: `tenant-${tag}`, users: [ada, bea], teams: [first, second] },
    tasks: [...of(writing), ...timed],
    notes: of(writing),
    memory: owners.slice(0, 2).map(({ owner }) => ({ id: randomUUID(), owner, text: `remembers ${mark()}` })),
    credentials: of(() => ({ name: `key ${mark()}`, kind: 'api-key', secret: mark() })),
    named: { ada: ada.name, bea: bea.name },
  }
}

export function task(owner: string, [second, micros]: Moment) {
  const seconds = String(second).padStart(2, '0')
  const createdAt = `2026-03-01T12:00:${seconds}.${String(micros).padStart(6, '0')}Z`
  return { id: randomUUID(), owner, title: `turn ${mark()}`, body: '', createdAt }
}

/** By the command that brings seeds in: what is there already stays, and what is new is added. */
export async function bringIn(
  federation: Federation,
  brought: Tenant & Partial<Pick<NewTenant, 'named'>>,
): Promise<void> {
  const { named: _, ...tenant } = brought
  const { site } = federation
  const path = `imports/${randomUUID()}.json`
  await putFile(site, 'gateway-b', path, JSON.stringify({ tenants: [tenant] }))
  try {
    const command = ['service:federation-gateway', '--config', places.configuration, 'import', path]
    const { code, stdout, stderr } = await site.node('gateway-b').exec(command)
    if (code !== 0) throw new Error(`gateway import ended with ${code}: ${stderr}${stdout}`)
  } finally {
    await site.node('gateway-b').exec(['rm', path])
  }
}

/** A tenant that is there from now on. */
export async function broughtIn(
  federation: Federation,
  options: Parameters<typeof newTenant>[0] = {},
): Promise<NewTenant> {
  const tenant = newTenant(options)
  await bringIn(federation, tenant)
  federation.seed('b').add(tenant)
  return tenant
}
