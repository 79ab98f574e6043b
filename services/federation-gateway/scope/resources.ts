/** The closed list of what can be lent. A name that is not exactly one of these is unknown. */
export const RESOURCES = ['tasks', 'notes', 'memory', 'credentials', 'teams', 'users'] as const

export type Resource = (typeof RESOURCES)[number]

/** Whose rows tell of keys: a scope that lends them needs somebody who says so. */
export const SENSITIVE: ReadonlySet<Resource> = new Set<Resource>(['credentials'])

const known: ReadonlySet<string> = new Set(RESOURCES)

export function isResource(name: string): name is Resource {
  return known.has(name)
}

/** Roles of a team's members, the least first. */
export const ROLES = ['viewer', 'member', 'maintainer'] as const
export type Role = (typeof ROLES)[number]

export const TASK_STATUSES = ['open', 'doing', 'done'] as const
export type TaskStatus = (typeof TASK_STATUSES)[number]

/** Resources whose rows may belong to a team: a caller may ask for one team's. */
export const HAVE_TEAM: ReadonlySet<Resource> = new Set<Resource>(['tasks', 'notes', 'credentials'])
